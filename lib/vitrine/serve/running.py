"""The service on a socket: for as long as the program runs, or for a block of a program."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import uvicorn

from vitrine.client import Client
from vitrine.errors import BadInput, Unavailable
from vitrine.serve.application import application, client_of
from vitrine.settings import Serve, Settings
from vitrine.storage import directory

logger = logging.getLogger(__name__)

BACKLOG = 2_048
READY_WITHIN_S = 120.0
POLL_S = 0.05


def serve(settings: Settings, *, told: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM, after which requests under way are answered; the address is `told` first.

    Raises:
        BadInput: no catalogue is served, or keys or certificate cannot be read.
        BadSettings: `thumbnails.uri` is no place.
        Unavailable: the database does not answer.
        OSError: the address cannot be listened on.
    """
    with listening(settings.serve) as listener:
        server = _server(settings, lambda: client)  # which checks keys, certificate and the place of thumbnails
        client = client_of(settings)
        told(address(settings.serve, listener))
        if settings.serve.keys_file is None and not _is_loopback(settings.serve.host):
            logger.warning("everybody who reaches %s is answered: set serve.keys_file", settings.serve.host)
        server.run(sockets=[listener])


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


@contextmanager
def serving(settings: Settings, *, open_client: Callable[[], Client] | None = None) -> Iterator[str]:
    """Serve in a thread of this process during the block; gives the address once a search is answered.

    Raises:
        Unavailable: none was within two minutes.
    """
    with listening(settings.serve) as listener:
        server = _server(settings, open_client)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="vitrine-serve")
        thread.start()
        try:
            url = address(settings.serve, listener)
            _wait_until_ready(url, thread)
            yield url
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def listening(settings: Serve) -> Iterator[socket.socket]:
    """The socket of the settings, bound but not yet answered."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG) as listener:
        yield listener


def address(settings: Serve, listener: socket.socket) -> str:
    """Where the service is reached."""
    scheme = "https" if settings.certificate_file else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{listener.getsockname()[1]}"


def _server(settings: Settings, open_client: Callable[[], Client] | None) -> uvicorn.Server:
    asked = settings.serve
    for file in (asked.certificate_file, asked.certificate_key_file):
        if file is not None and not file.is_file():
            raise BadInput(f"there is no file {file}: check serve.certificate_file and serve.certificate_key_file")
    if settings.thumbnails.uri is not None:
        directory(settings.thumbnails.uri)
    config = uvicorn.Config(
        application(settings, open_client=open_client),
        ssl_certfile=asked.certificate_file,
        ssl_keyfile=asked.certificate_key_file,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        timeout_graceful_shutdown=int(asked.timeout_s + asked.body_timeout_s) + 1,
    )
    return uvicorn.Server(config)


def _wait_until_ready(url: str, thread: threading.Thread) -> None:
    deadline_s = time.monotonic() + READY_WITHIN_S
    with httpx.Client(verify=False, timeout=READY_WITHIN_S) as caller:  # noqa: S501  # it asks itself
        while thread.is_alive() and time.monotonic() < deadline_s:
            try:
                status = caller.get(f"{url}/ready").status_code
            except httpx.TransportError:
                status = httpx.codes.SERVICE_UNAVAILABLE
            if status == httpx.codes.OK:
                return
            if status != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(POLL_S)
    raise Unavailable(f"the service at {url} does not get ready: see its log")
