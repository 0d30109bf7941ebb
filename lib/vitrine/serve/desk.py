"""Where requests become work: threads that ask the client, as many as there are places."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from vitrine.client import Answer, Client, Embedded, Query
from vitrine.errors import Unavailable
from vitrine.index.store import NotThere
from vitrine.serve.embedding import Embedding
from vitrine.serve.metrics import Metrics
from vitrine.settings import Serve

T = TypeVar("T")

CUTTING = 2
"""Pictures that are cut at once: each is decoded whole in this process."""


@dataclass(slots=True)
class Waiter:
    """A request that waits for its answer, or does so no more."""

    gone: bool = False


class Desk:
    """Does the work of requests. Close it: the client is closed with it."""

    def __init__(self, client: Client, settings: Serve, metrics: Metrics) -> None:
        self._client = client
        self._settings = settings
        self._metrics = metrics
        self._embedding = Embedding(settings, metrics)
        self._cutting = threading.BoundedSemaphore(CUTTING)
        self._threads = ThreadPoolExecutor(settings.places, thread_name_prefix="vitrine-serve")
        self._rehearsing = ThreadPoolExecutor(1, thread_name_prefix="vitrine-ready")

    async def ask(self, work: Callable[[Client], T], *, stage: str = "search") -> tuple[T, float]:
        """What the work returns, done in a thread, and its milliseconds; the client's calls end in `timeout_s`."""
        started_s = time.monotonic()
        found = await self._in_thread(lambda client, _: work(client))
        took_s = time.monotonic() - started_s
        self._metrics.took(stage, took_s)
        return found, _ms(took_s)

    async def find(self, query: Query) -> tuple[Answer, float, float]:
        """The answer to a query, and the milliseconds that embedding and searching took."""
        return await self._in_thread(lambda client, waiter: self._found(client, waiter, query))

    async def rehearse(self, query: Query) -> None:
        """Answer a query in a thread of its own, however many wait, and embed it however well its vector is known."""
        await self._in_thread(lambda client, waiter: self._found(client, waiter, query, anew=True), self._rehearsing)

    async def _in_thread(self, work: Callable[[Client, Waiter], T], threads: ThreadPoolExecutor | None = None) -> T:
        waiter, client = Waiter(), self._client.within(self._settings.timeout_s)
        try:
            return await asyncio.get_running_loop().run_in_executor(threads or self._threads, work, client, waiter)
        finally:
            waiter.gone = True

    def _found(
        self, client: Client, waiter: Waiter, query: Query, *, anew: bool = False
    ) -> tuple[Answer, float, float]:
        try:
            return self._found_once(client, waiter, query, anew=anew)
        except NotThere:  # its collection was dropped meanwhile, and the next has another model
            return self._found_once(client, waiter, query, anew=anew)

    def _found_once(self, client: Client, waiter: Waiter, query: Query, *, anew: bool) -> tuple[Answer, float, float]:
        started_s = time.monotonic()
        embedded = self._embedded(client, waiter, query, anew=anew) if query.pictured else None
        embedded_s = time.monotonic()
        answer = client.find(query, embedded=embedded)
        searched_s = time.monotonic()
        self._metrics.took("embed", embedded_s - started_s)
        self._metrics.took("search", searched_s - embedded_s)
        self._metrics.served(answer.collection, answer.model_id)
        return answer, _ms(embedded_s - started_s), _ms(searched_s - embedded_s)

    def _embedded(self, client: Client, waiter: Waiter, query: Query, *, anew: bool) -> Embedded:
        collection = client.target(query)
        if self._settings.isolate:
            # A part is cut out in this process: first the whole picture must come out of the one that decodes apart.
            whole = [one.picture for one in query.pictured if one.box and isinstance(one.picture, bytes)]
            self._embedding.vectors(client, collection, whole, waiter)
        vectors = self._embedding.vectors(client, collection, self._cut(client, waiter, query), waiter, anew=anew)
        return Embedded(collection, np.stack(vectors))

    def _cut(self, client: Client, waiter: Waiter, query: Query) -> Sequence[bytes]:
        if not any(one.box for one in query.pictured):
            return client.pictures(query)
        with self._cutting:
            if waiter.gone:
                raise Unavailable("nobody waits for the part of this picture any more")
            return client.pictures(query)

    def close(self) -> None:
        """Let those who work end, then close the client."""
        for threads in (self._threads, self._rehearsing):
            threads.shutdown(wait=True, cancel_futures=True)
        self._embedding.close()
        self._client.close()


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 1)
