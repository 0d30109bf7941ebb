"""Many callers at once, slow ones, and ones that leave."""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serve.conftest import Asking, sent
from vitrine.embedding import Batch
from vitrine.testing import FakeEmbedder, MemoryStore

WAIT_S = 30


def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    deadline_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline_s, "it did not come about"
        time.sleep(0.01)


class Slow(FakeEmbedder):
    """Stays in a pass for a moment, so that pictures gather; counts its passes by size."""

    def __init__(self) -> None:
        super().__init__(batch_size=1_000)
        self.sizes: list[int] = []

    def embed(self, pictures: Iterable[tuple[Any, bytes]]) -> Iterator[Batch[Any]]:
        listed = list(pictures)
        self.sizes.append(len(listed))
        threading.Event().wait(0.02)
        yield from super().embed(listed)


class Held(FakeEmbedder):
    """Once it is told to hold, it stays in its pass until `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.hold, self.go = threading.Event(), threading.Event()

    def embed(self, pictures: Iterable[tuple[Any, bytes]]) -> Iterator[Batch[Any]]:
        listed = list(pictures)
        if self.hold.is_set():
            assert self.go.wait(WAIT_S)
        yield from super().embed(listed)


class Seeing(MemoryStore):
    """Remembers the vectors that it was searched with."""

    def __init__(self, other: MemoryStore) -> None:
        super().__init__()
        self._kept, self._aliases = other._kept, other._aliases
        self.seen: list[np.ndarray] = []

    def within(self, timeout_s: float) -> "Seeing":
        return self

    def search(self, collection: str, vectors: Any, limit: int, **rest: Any) -> Any:
        self.seen += list(vectors)
        return super().search(collection, vectors, limit, **rest)


def test_each_of_200_concurrent_callers_is_answered_about_his_own_picture(
    asking: Asking, drawn_pictures: list[bytes]
) -> None:
    network = Slow()
    caller = asking(embedder=network, places=200)
    pictures = [drawn_pictures[i % 60] + bytes([i, 7]) for i in range(200)]  # what follows a JPEG does not count
    expected = [next(iter(FakeEmbedder().embed([(0, one)]))).vectors[0] for one in pictures]
    stored = np.stack([next(iter(FakeEmbedder().embed([(0, one)]))).vectors[0] for one in drawn_pictures[:6]])
    start = threading.Barrier(200)

    def ask(i: int) -> float:
        with httpx.Client(base_url=caller.base_url, timeout=120, verify=False) as own:
            start.wait()
            answer = own.post("/search", **sent(pictures[i], '{"k": 1}'))
        assert answer.status_code == 200, answer.text
        return float(answer.json()["hits"][0]["score"])

    with ThreadPoolExecutor(200) as threads:
        scores = list(threads.map(ask, range(200)))
    # The score of the best hit is the cosine with one's own vector: another's vector would give another.
    assert np.allclose(scores, (np.stack(expected) @ stored.T).max(axis=1), atol=1e-4)
    assert len({round(score, 3) for score in scores}) > 100
    assert max(network.sizes) == 16
    assert sum(network.sizes) == 201


def test_20_callers_who_drop_their_connection_free_their_places(asking: Asking, drawn_pictures: list[bytes]) -> None:
    network = Held()
    caller = asking(embedder=network, places=20, timeout_s=60)
    network.hold.set()
    request = httpx.Request("POST", caller.base_url.join("/search"), **sent(drawn_pictures[1]))
    host = caller.base_url.host, caller.base_url.port or 0
    head = "\r\n".join(["POST /search HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())])
    connections = []
    for _ in range(20):
        connections.append(socket.create_connection(host, timeout=WAIT_S))
        connections[-1].sendall(head.encode() + b"\r\n\r\n" + request.read())
    until(lambda: "vitrine_places_taken 20.0" in caller.get("/metrics").text)
    refused = caller.post("/search", **sent(drawn_pictures[2]))
    assert (refused.status_code, refused.json()["code"]) == (429, "busy")
    assert int(refused.headers["retry-after"]) >= 1
    for connection in connections:
        connection.close()
    until(lambda: "vitrine_places_taken 0.0" in caller.get("/metrics").text)
    network.hold.clear()
    network.go.set()
    assert caller.post("/search", **sent(drawn_pictures[2])).status_code == 200


def test_a_body_that_trickles_in_is_ended_and_takes_nobody_s_place_for_long(asking: Asking) -> None:
    caller = asking(places=1, body_timeout_s=0.2)
    with socket.create_connection((caller.base_url.host, caller.base_url.port or 0), timeout=WAIT_S) as connection:
        head = b"POST /search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        connection.sendall(head)
        assert connection.recv(4_096).startswith(b"HTTP/1.1 408 ")
    until(lambda: caller.get("/products/p1").status_code == 200)


def test_an_answer_that_is_too_late_says_when_to_come_again(asking: Asking, drawn_pictures: list[bytes]) -> None:
    network = Held()
    caller = asking(embedder=network, timeout_s=1.0)
    network.hold.set()
    late = caller.post("/search", **sent(drawn_pictures[2]))
    network.go.set()
    assert (late.status_code, late.json()["code"], late.headers["retry-after"]) == (503, "too_late", "1")


def test_a_service_that_cannot_search_is_not_ready(asking: Asking, drawn_pictures: list[bytes]) -> None:
    network = Held()
    caller = asking(embedder=network, timeout_s=0.5)
    until(lambda: caller.get("/ready").status_code == 200)
    network.hold.set()
    until(lambda: caller.get("/ready").status_code == 503)
    assert caller.get("/live").status_code == 200
    network.go.set()
    until(lambda: caller.get("/ready").status_code == 200)


@settings(max_examples=60)
@given(brand=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_a_filter_is_only_ever_a_value(caller: httpx.Client, brand: str) -> None:
    answer = caller.post("/search", json={"examples": [{"product_id": "p0"}], "filters": {"brands": [brand]}})
    assert answer.status_code in {200, 422}
    if answer.status_code == 200:
        assert {hit["brand"] for hit in answer.json()["hits"]} <= {brand}


def test_what_is_known_to_break_out_of_quotes_does_not(caller: httpx.Client) -> None:
    for brand in (
        '" or "" == "',
        "\\",
        '\\" or 1 == 1 or brand == \\"',
        "Acme\n",
        "Acme' or '1'=='1",
        "{x}",
        "%",
        "_cme",
    ):
        question = {"examples": [{"product_id": "p0"}], "filters": {"brands": [brand], "categories": [brand]}}
        answer = caller.post("/search", json=question)
        assert answer.status_code in {200, 422}
        assert answer.json().get("hits", []) == []


@pytest.mark.parametrize("request_line", ["GET /%00 HTTP/1.1", "GET /products/%ED%A0%80 HTTP/1.1", "GET // HTTP/1.1"])
def test_odd_addresses_are_not_found(caller: httpx.Client, request_line: str) -> None:
    with socket.create_connection((caller.base_url.host, caller.base_url.port or 0), timeout=WAIT_S) as connection:
        connection.sendall(f"{request_line}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(4_096).startswith(b"HTTP/1.1 404 ")
