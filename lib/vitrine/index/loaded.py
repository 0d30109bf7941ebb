"""Which collections a server holds ready for searches, as far as a connection knows."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pymilvus import MilvusClient
from pymilvus.client.types import LoadState

from vitrine.errors import Unavailable
from vitrine.index.faults import translated
from vitrine.settings import Milvus

POLL_S = 0.2


class Loaded:
    """Loads a collection before its first use, and again where the server came back without it."""

    def __init__(self, client: MilvusClient, milvus: Milvus) -> None:
        self._client = client
        self._milvus = milvus
        self._known: set[str] = set()

    @contextmanager
    def during(self, collection: str, wait_s: Callable[[], float]) -> Iterator[None]:
        """For a block that reads the collection; `translated` stands inside. `wait_s` as in `load`."""
        self.load(collection, wait_s)
        try:
            yield
        except Unavailable:
            self.forget(collection)
            raise

    def load(self, collection: str, wait_s: Callable[[], float]) -> None:
        """Load what is not known to be, for as long as indexes take; `wait_s` says how long the next question may."""
        if collection in self._known:
            return
        with translated(f"loading {collection} at {self._milvus.uri}"):
            self._client.load_collection(collection, timeout=wait_s(), _async=True)
            while (state := self._state(collection, wait_s())) == LoadState.Loading:
                time.sleep(POLL_S)
        if state != LoadState.Loaded:
            raise Unavailable(f"loading {collection} at {self._milvus.uri}: it is {state.name}")
        self._known.add(collection)

    def forget(self, collection: str) -> None:
        """Load it anew the next time."""
        self._known.discard(collection)

    def _state(self, collection: str, wait_s: float) -> LoadState:
        return LoadState(self._client.get_load_state(collection, timeout=wait_s)["state"])
