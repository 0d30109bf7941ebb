import gc
import threading
from collections.abc import Generator, Iterator
from itertools import count, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrine.vision.overlap import ordered_map, prefetch

PATIENCE_S = 20.0
SHORT_WAIT_S = 0.3


class Broken(Exception):
    """An error of the items or of the function."""


class Source:
    """A generator that knows how far it was read and whether it was closed; item `fail_at` is an error."""

    def __init__(self, n: int | None = None, *, fail_at: int | None = None) -> None:
        self.read = 0
        self.closed = False
        self.beyond = threading.Event()
        self._limit = n
        self._fail_at = fail_at

    def items(self, *, expect_at_most: int = 1 << 60) -> Generator[int, None, None]:
        try:
            for number in count() if self._limit is None else range(self._limit):
                if number == self._fail_at:
                    raise Broken
                self.read += 1
                if self.read > expect_at_most:
                    self.beyond.set()
                yield number
        finally:
            self.closed = True


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    left = [
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith(("vitrine-decode", "vitrine-prefetch"))
    ]
    assert left == []


def double(number: int) -> int:
    return 2 * number


def ahead(source: Source, kind: str, **bound: int) -> Generator[int, None, None]:
    """The source read ahead by at most about four items, in either way."""
    items = source.items(**bound)
    if kind == "prefetch":
        return prefetch(items, depth=3)
    return ordered_map(lambda number: number, items, size_of=lambda _: 1, threads=2, budget_bytes=4)


BOTH = pytest.mark.parametrize("kind", ["prefetch", "ordered_map"])


@settings(max_examples=50)
@given(
    sizes=st.lists(st.integers(0, 10), max_size=40),
    threads=st.integers(1, 4),
    budget=st.integers(1, 25),
    slow=st.sets(st.integers(0, 40)),
)
def test_results_come_in_order_and_items_in_flight_stay_within_the_budget(
    sizes: list[int], threads: int, budget: int, slow: set[int]
) -> None:
    lock = threading.Lock()
    started: set[int] = set()
    given_back: set[int] = set()
    flights: list[list[int]] = []

    def work(item: tuple[int, int]) -> int:
        with lock:
            started.add(item[0])
            flights.append([sizes[number] for number in started - given_back])
        if item[0] in slow:
            sum(range(2_000))
        return item[0]

    results = []
    for result in ordered_map(
        work, enumerate(sizes), size_of=lambda item: item[1], threads=threads, budget_bytes=budget
    ):
        with lock:
            given_back.add(result)
        results.append(result)
    assert results == list(range(len(sizes)))
    assert all(sum(flight) <= budget or sum(size > 0 for size in flight) == 1 for flight in flights)


def test_an_item_larger_than_the_budget_passes_alone() -> None:
    assert list(ordered_map(double, range(5), size_of=lambda _: 100, threads=2, budget_bytes=1)) == [0, 2, 4, 6, 8]


def test_several_items_are_worked_on_at_once() -> None:
    meeting = threading.Barrier(3, timeout=PATIENCE_S)
    results = ordered_map(lambda _: meeting.wait(), range(3), size_of=lambda _: 1, threads=3, budget_bytes=3)
    assert sorted(results) == [0, 1, 2]


@given(st.lists(st.integers(), max_size=20), st.integers(1, 5))
def test_prefetch_gives_what_the_items_give(items: list[int], depth: int) -> None:
    assert list(prefetch(iter(items), depth=depth)) == items


def test_prefetch_works_while_its_consumer_is_busy() -> None:
    source = Source(3)
    given_items = prefetch(source.items(expect_at_most=2), depth=3)
    next(given_items)
    assert source.beyond.wait(PATIENCE_S)
    given_items.close()


@BOTH
def test_nothing_is_read_before_it_is_asked_for(kind: str) -> None:
    source = Source()
    ahead(source, kind)
    assert source.read == 0


@BOTH
def test_a_consumer_that_waits_stops_the_reader(kind: str) -> None:
    source = Source()
    results = ahead(source, kind, expect_at_most=7)
    assert list(islice(results, 2)) == [0, 1]
    assert not source.beyond.wait(SHORT_WAIT_S)
    results.close()


@BOTH
def test_closing_early_ends_the_threads_and_closes_the_source(kind: str) -> None:
    source = Source()
    results = ahead(source, kind)
    next(results)
    results.close()
    assert source.closed
    assert source.read < 10


@BOTH
def test_a_consumer_that_goes_away_ends_the_threads(kind: str) -> None:
    source = Source()
    for number in ahead(source, kind):
        if number == 2:
            break
    gc.collect()
    assert source.closed


@BOTH
def test_an_error_of_the_items_surfaces_and_ends_the_threads(kind: str) -> None:
    source = Source(10, fail_at=5)
    with pytest.raises(Broken) as error:
        list(ahead(source, kind))
    assert source.closed
    assert error.value.__traceback__ is not None


def test_prefetch_gives_what_came_before_an_error() -> None:
    results = prefetch(Source(10, fail_at=3).items(), depth=5)
    assert list(islice(results, 3)) == [0, 1, 2]
    with pytest.raises(Broken):
        next(results)


def test_an_error_of_the_function_comes_in_its_place_and_closes_the_source() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise Broken
        return number

    source = Source()
    results = ordered_map(work, source.items(), size_of=lambda _: 1, threads=2, budget_bytes=8)
    assert list(islice(results, 3)) == [0, 1, 2]
    with pytest.raises(Broken):
        next(results)
    assert source.closed


def test_closing_the_last_of_a_chain_ends_all_threads() -> None:
    source = Source()
    mapped = ordered_map(double, source.items(), size_of=lambda _: 1, threads=2, budget_bytes=4)
    results = prefetch(prefetch(mapped, depth=2), depth=2)
    assert list(islice(results, 3)) == [0, 2, 4]
    results.close()
    assert source.closed


def test_a_stop_of_the_whole_program_passes_through() -> None:
    def interrupted() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(prefetch(interrupted(), depth=1))
