"""Whether the service is live and ready, and its metrics, over HTTP."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client.exposition import CONTENT_TYPE_LATEST

from vitrine.errors import BadInput

logger = logging.getLogger("streaming")

Trouble = Callable[[], str]
"""What is wrong, in a line; empty if nothing is."""


@contextmanager
def served(host: str, port: int, *, live: Trouble, ready: Trouble, metrics: Callable[[], bytes]) -> Iterator[int]:
    """Answer /live, /ready and /metrics inside `with`; gives the port.

    Raises:
        BadInput: the port is taken, or the address is not of this machine.
    """

    class Handler(_Handler):
        troubles = {"/live": live, "/ready": ready}  # noqa: RUF012
        text = staticmethod(metrics)

    try:
        server = _Server((host, port), Handler)
    except OSError as error:
        raise BadInput(f"cannot listen on {host}:{port}: {error.strerror}; set stream.host and stream.port") from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="health", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    troubles: dict[str, Trouble]
    text: Callable[[], bytes]
    timeout = 5

    def do_GET(self) -> None:
        """Answer a request."""
        if self.path == "/metrics":
            self._answer(200, CONTENT_TYPE_LATEST, self.text())
        elif trouble := self.troubles.get(self.path):
            said = trouble()
            self._answer(503 if said else 200, "text/plain; charset=utf-8", f"{said or 'ok'}\n".encode())
        else:
            self._answer(404, "text/plain; charset=utf-8", b"there are /live, /ready and /metrics\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the library's
        """Requests are not logged."""

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
