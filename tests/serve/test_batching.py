"""Micro-batches on a fake network whose passes the tests hold up."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from vitrine.embedding import Batch
from vitrine.errors import BadRecord, Unavailable
from vitrine.product import Reason, Reject
from vitrine.serve.batching import MicroBatcher
from vitrine.testing import FakeEmbedder

WAIT_S = 30


@dataclass
class Waiter:
    gone: bool = False


@dataclass
class Passes:
    """A meter that remembers how many pictures each pass had."""

    sizes: list[int] = field(default_factory=list)

    def passed(self, pictures: int, waited_s: Sequence[float], took_s: float) -> None:
        assert len(waited_s) == pictures
        self.sizes.append(pictures)


class Held(FakeEmbedder):
    """Goes through its first pass only when `go` is set; says when it is in it."""

    def __init__(self) -> None:
        super().__init__(batch_size=1_000)
        self.inside, self.go = threading.Event(), threading.Event()
        self.seen: list[bytes] = []

    def embed(self, pictures: Iterable[tuple[Any, bytes]]) -> Iterator[Batch[Any]]:
        listed = list(pictures)
        self.seen += [data for _, data in listed]
        self.inside.set()
        assert self.go.wait(WAIT_S)
        yield from super().embed(listed)


def alone(picture: bytes) -> np.ndarray:
    return next(iter(FakeEmbedder().embed([(0, picture)]))).vectors[0]


def queued(batcher: MicroBatcher, n: int) -> None:
    """Wait until so many pictures wait for the next pass."""
    deadline = threading.Event()
    for _ in range(WAIT_S * 100):
        if len(batcher._queue) == n:
            return
        deadline.wait(0.01)
    raise AssertionError(f"{len(batcher._queue)} wait, not {n}")


@pytest.mark.parametrize("callers", [1, 7, 200])
def test_each_caller_gets_the_vector_of_his_own_picture(drawn_pictures: list[bytes], callers: int) -> None:
    pictures = [drawn_pictures[i % 60] + bytes([i]) for i in range(callers)]
    batcher = MicroBatcher(FakeEmbedder(), Passes(), batch_size=16)
    with ThreadPoolExecutor(callers) as threads:
        vectors = list(threads.map(lambda picture: batcher.vector(picture, Waiter()), pictures))
    for picture, vector in zip(pictures, vectors, strict=True):
        assert np.array_equal(vector, alone(picture))


def test_what_came_during_a_pass_goes_into_the_next_together(drawn_pictures: list[bytes]) -> None:
    network, passes = Held(), Passes()
    batcher = MicroBatcher(network, passes, batch_size=4)
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(batcher.vector, drawn_pictures[0], Waiter())]
        assert network.inside.wait(WAIT_S)
        asked += [threads.submit(batcher.vector, drawn_pictures[i], Waiter()) for i in range(1, 7)]
        queued(batcher, 6)
        network.go.set()
        assert all(one.result(WAIT_S) is not None for one in asked)
    assert passes.sizes == [1, 4, 2]


def test_a_single_caller_waits_for_nobody(drawn_pictures: list[bytes]) -> None:
    passes = Passes()
    batcher = MicroBatcher(FakeEmbedder(), passes, batch_size=16)
    for picture in drawn_pictures[:3]:
        batcher.vector(picture, Waiter())
    assert passes.sizes == [1, 1, 1]


def test_a_caller_who_is_gone_costs_no_pass(drawn_pictures: list[bytes]) -> None:
    network = Held()
    batcher = MicroBatcher(network, Passes(), batch_size=4)
    leaver = Waiter()
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(batcher.vector, drawn_pictures[0], Waiter())
        assert network.inside.wait(WAIT_S)
        left = threads.submit(batcher.vector, drawn_pictures[1], leaver)
        queued(batcher, 1)
        stayed = threads.submit(batcher.vector, drawn_pictures[2], Waiter())
        queued(batcher, 2)
        leaver.gone = True
        network.go.set()
        assert first.result(WAIT_S) is not None
        assert np.array_equal(stayed.result(WAIT_S), alone(drawn_pictures[2]))
        with pytest.raises(Unavailable, match="the caller is gone"):
            left.result(WAIT_S)
    assert network.seen == [drawn_pictures[0], drawn_pictures[2]]


def test_a_bad_picture_is_told_to_its_caller_only(drawn_pictures: list[bytes]) -> None:
    network = Held()
    batcher = MicroBatcher(network, Passes(), batch_size=4)
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(batcher.vector, drawn_pictures[0], Waiter())
        assert network.inside.wait(WAIT_S)
        bad, good = (threads.submit(batcher.vector, data, Waiter()) for data in (b"no picture", drawn_pictures[1]))
        queued(batcher, 2)
        network.go.set()
        with pytest.raises(BadRecord) as caught:
            bad.result(WAIT_S)
        assert np.array_equal(good.result(WAIT_S), alone(drawn_pictures[1]))
        assert first.result(WAIT_S) is not None
    assert caught.value.reason == Reason.UNSUPPORTED_FORMAT


class Failing(FakeEmbedder):
    """Fails in its first pass."""

    failed = False

    def embed(self, pictures: Iterable[tuple[Any, bytes]]) -> Iterator[Batch[Any]]:
        if not self.failed:
            self.failed = True
            raise MemoryError
        yield from super().embed(pictures)


def test_a_pass_that_fails_is_told_to_its_callers_and_the_next_one_works(drawn_pictures: list[bytes]) -> None:
    batcher = MicroBatcher(Failing(), Passes(), batch_size=4)
    with pytest.raises(Unavailable, match="embedding failed: MemoryError"):
        batcher.vector(drawn_pictures[0], Waiter())
    assert np.array_equal(batcher.vector(drawn_pictures[0], Waiter()), alone(drawn_pictures[0]))


class Forgetful(FakeEmbedder):
    """Answers in another order, and leaves out the picture with key 1."""

    def embed(self, pictures: Iterable[tuple[Any, bytes]]) -> Iterator[Batch[Any]]:
        kept = [one for one in pictures if one[0] != 1]
        yield from super().embed(reversed(kept))


def test_vectors_are_given_by_key_and_one_that_is_left_out_is_an_error(drawn_pictures: list[bytes]) -> None:
    batcher = MicroBatcher(Forgetful(), Passes(), batch_size=4)
    outcomes = batcher._outcomes(drawn_pictures[:3])
    assert np.array_equal(outcomes[0], alone(drawn_pictures[0]))
    assert isinstance(outcomes[1], LookupError)
    assert np.array_equal(outcomes[2], alone(drawn_pictures[2]))
    assert not any(isinstance(outcome, Reject) for outcome in outcomes)
