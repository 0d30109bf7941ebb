"""Iterators that work ahead in threads, with bounded buffers and order kept."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, Full, Queue
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

_POLL_S = 0.05


def ordered_map(
    function: Callable[[A], B], items: Iterable[A], *, size_of: Callable[[A], int], threads: int, budget_bytes: int
) -> Generator[B, None, None]:
    """Apply `function` in `threads` threads and yield the results in the order of `items`.

    The items handed out and not yet yielded weigh at most `budget_bytes`, or are a single one. An error of `items` is
    raised at once, one of `function` in the place of its result. Closing this generator ends the threads, and closes
    `items` if that is a generator.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="vitrine-decode")
    pending: deque[tuple[Future[B], int]] = deque()
    held = 0
    try:
        for item in items:
            size = size_of(item)
            while pending and (held + size > budget_bytes or pending[0][0].done()):
                future, freed = pending.popleft()
                held -= freed
                yield future.result()
            pending.append((pool.submit(function, item), size))
            held += size
        while pending:
            yield pending.popleft()[0].result()
    finally:
        pool.shutdown(cancel_futures=True)
        close(items)


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


_END = object()


def prefetch(items: Iterator[A], *, depth: int) -> Generator[A, None, None]:
    """Run `items` in a thread that stays at most `depth` items ahead.

    An error of `items` is raised here, after what came before it. Closing this generator ends the thread as soon as
    `items` answers, and closes `items` if that is a generator.
    """
    ready: Queue[object] = Queue(maxsize=depth)
    stop = threading.Event()
    worker = threading.Thread(target=_produce, args=(items, ready, stop), name="vitrine-prefetch", daemon=True)
    worker.start()
    try:
        while (item := _take(ready, worker)) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            yield item  # type: ignore[misc]  # the queue holds what `items` gave
    finally:
        stop.set()
        worker.join()


def _produce(items: Iterator[A], ready: "Queue[object]", stop: threading.Event) -> None:
    last: object = _END
    try:
        for item in items:
            if not _put(ready, item, stop):
                return
    except BaseException as error:  # noqa: BLE001  # handed to the thread that asked
        last = _Failure(error)
    finally:
        close(items)
    _put(ready, last, stop)


def close(items: Iterable[object]) -> None:
    """End a generator; any other iterable has nothing that could be ended."""
    if isinstance(items, Generator):
        items.close()


def _put(ready: "Queue[object]", item: object, stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            ready.put(item, timeout=_POLL_S)
        except Full:
            continue
        return True
    return False


def _take(ready: "Queue[object]", worker: threading.Thread) -> object:
    while True:
        try:
            return ready.get(timeout=1.0)
        except Empty:
            if not worker.is_alive() and ready.empty():
                return _Failure(RuntimeError("the thread that reads ahead has died"))
