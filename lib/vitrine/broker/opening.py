"""Opening a client, so that a failure is told with its cause and leaves nothing behind."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.net.compat import KafkaNetClient

from vitrine.broker.causes import cause
from vitrine.broker.faults import translation
from vitrine.settings import Kafka

T = TypeVar("T")

# Its logger is the library's only way to say why, and there is one of it in a process.
_listening = threading.Lock()


def opened(kafka: Kafka, make: Callable[..., T], options: Mapping[str, Any]) -> T:
    """The client that `make` gives for the library's `options`.

    Raises:
        Unavailable: no broker answers.
        BadInput: they answer and do not let us in; the text says the likely cause.
    """
    network = _Network()
    with _heard() as lines:
        try:
            return make(kafka_client=network, **options)
        except BaseException as error:
            network.close()
            if not isinstance(error, KafkaError):
                raise
            told = [record.getMessage() for record in lines]
            lines.clear()
            if isinstance(error, KafkaTimeoutError):
                raise cause(kafka, options.get("ssl_context"), told) from error
            raise translation(error, f"connect to {', '.join(kafka.bootstrap)}") from error


class _Network:
    """The connections of a client; one that found no broker leaves them and their thread open."""

    def __init__(self) -> None:
        self._made: list[KafkaNetClient] = []

    def __call__(self, **options: Any) -> KafkaNetClient:
        self._made.append(KafkaNetClient(**options))
        return self._made[-1]

    def close(self) -> None:
        for client in self._made:
            client.close()


@contextmanager
def _heard() -> Iterator[list[logging.LogRecord]]:
    """Keep what the library logs inside `with`, to tell a failure in one line; what is left in the list is logged."""
    library = logging.getLogger("kafka")
    kept: list[logging.LogRecord] = []
    listener = _Listener(kept)
    with _listening:
        propagate = library.propagate
        library.addHandler(listener)
        library.propagate = False
        try:
            yield kept
        finally:
            library.removeHandler(listener)
            library.propagate = propagate
    for record in kept:
        library.handle(record)


class _Listener(logging.Handler):
    def __init__(self, kept: list[logging.LogRecord]) -> None:
        super().__init__(logging.WARNING)
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(record)
