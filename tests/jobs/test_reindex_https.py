"""A catalogue of https addresses, read by Spark's own worker processes."""

import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trustme


@dataclass(frozen=True)
class ImageServer:
    """An https server; `pictures` holds bytes or a status by path."""

    server: ThreadingHTTPServer
    pictures: dict[str, bytes | int]
    limits: dict[str, Any]

    def uri(self, path: str) -> str:
        return f"{self.limits['prefixes'][0]}{path}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def images(tmp_path: Path) -> Iterator[ImageServer]:
    """A server of the shop's own network, and the settings that allow it."""
    pictures: dict[str, bytes | int] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = pictures.get(self.path.removeprefix("/pics/"), 404)
            status, body = (200, found) if isinstance(found, bytes) else (found, b"<html>")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # workers end without closing what they keep alive

    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    prefix = f"https://localhost:{server.server_port}/pics/"
    limits = {"prefixes": [prefix], "private_hosts": ["localhost"], "ca_file": tmp_path / "ca.pem", "fetch_attempts": 1}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    started = ImageServer(server, pictures, limits)
    yield started
    started.stop()
    thread.join()


def no_embedder() -> None:
    raise AssertionError("nothing needs a vector")


def test_pictures_are_fetched_reused_and_kept_while_their_server_is_away(shop, images, drawn_pictures) -> None:
    images.pictures.update((f"{number}.jpg", picture) for number, picture in enumerate(drawn_pictures[:6]))
    images.pictures["broken.jpg"] = 500
    paths = [*images.pictures, "none.jpg"]
    uris = [images.uri(path) for path in paths]
    shop.write({"product_id": paths, "image_uri": uris})
    settings = {"pictures": images.limits, "max_reject_ratio": 0.5}
    first = shop.run("one", **settings)
    assert (first.embedded, first.rejected_by_reason) == (6, {"fetch_failed": 1, "missing": 1})
    before = shop.vectors()

    second = shop.run("two", no_embedder, **settings)
    assert (second.reused, second.rejected_by_reason) == (6, {"fetch_failed": 1, "missing": 1})

    images.stop()
    third = shop.run("three", no_embedder, **settings)
    assert (third.reused, third.rejected_by_reason) == (6, {"fetch_failed": 2})
    after = shop.vectors()
    assert before.keys() == after.keys() == {f"{path}/0" for path in paths[:6]}
    assert all(np.array_equal(before[key], after[key]) for key in before)


def test_without_a_word_a_server_of_ones_own_network_is_refused(shop, images, drawn_pictures) -> None:
    images.pictures["a.jpg"] = drawn_pictures[0]
    file = shop.place / "b.jpg"
    file.write_bytes(drawn_pictures[1])
    shop.write({"product_id": ["a", "b"], "image_uri": [images.uri("a.jpg"), str(file)]})
    limits = {**images.limits, "private_hosts": [], "prefixes": [*images.limits["prefixes"], str(shop.place)]}
    report = shop.run("one", pictures=limits, max_reject_ratio=0.5)
    assert (report.embedded, report.rejected_by_reason) == (1, {"forbidden_address": 1})
