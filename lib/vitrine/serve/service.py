"""What the routes stand on: one service, opened with the application."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from vitrine.client import Client, Example, Query
from vitrine.errors import Unavailable, VitrineError
from vitrine.fetch import Fetcher
from vitrine.rendering import sample_pictures
from vitrine.serve.desk import Desk
from vitrine.serve.metrics import Metrics
from vitrine.serve.problems import Problem, problem_of
from vitrine.serve.showing import Showing
from vitrine.settings import Settings
from vitrine.thumbnails import Thumbnails

CHECKED_S = 1.0
"""How long the outcome of a readiness check stands."""


class Readiness:
    """Whether a picture can be searched with just now; asked for real, at most once a second."""

    def __init__(self, desk: Desk, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._clock = clock
        self._turn = asyncio.Lock()
        self._checked_s = -CHECKED_S
        self._problem: Problem | None = None
        self._query = Query(examples=(Example(picture=next(iter(sample_pictures(1)))),), k=1)

    async def check(self) -> None:
        """Return if it can.

        Raises:
            Problem: it cannot.
        """
        async with self._turn:
            if self._clock() - self._checked_s >= CHECKED_S:
                self._problem = await self._found()
                self._checked_s = self._clock()
        if self._problem is not None:
            raise self._problem

    async def _found(self) -> Problem | None:
        try:
            await self._desk.rehearse(self._query)
        except VitrineError as error:
            problem = problem_of(error)
            problem.__cause__ = error
            return problem
        return None


@dataclass(frozen=True, slots=True)
class Service:
    """One running service."""

    settings: Settings
    desk: Desk
    readiness: Readiness
    metrics: Metrics
    showing: Showing
    thumbnails: Thumbnails | None
    fetcher: Fetcher | None

    async def small_picture(self, sha256: str) -> bytes | None:
        """The thumbnail of the picture with that hash, if there is one.

        Raises:
            Unavailable: the storage does not answer.
        """
        if self.thumbnails is None:
            return None
        try:
            return await asyncio.to_thread(self.thumbnails.read, sha256)
        except OSError as error:
            raise Unavailable(f"cannot read thumbnails: {error.strerror}") from error

    def close(self) -> None:
        """Let go of everything."""
        self.desk.close()
        if self.fetcher is not None:
            self.fetcher.close()


def opened(settings: Settings, client: Client, metrics: Metrics) -> Service:
    """A service on a client, which it closes."""
    asked, small = settings.serve, settings.thumbnails
    desk = Desk(client, asked, metrics)
    return Service(
        settings=settings,
        desk=desk,
        readiness=Readiness(desk),
        metrics=metrics,
        showing=Showing(thumbnails=small.uri is not None, image_origins=asked.image_origins),
        thumbnails=Thumbnails(small.uri, small.size, limits=settings.pictures) if small.uri else None,
        fetcher=Fetcher(settings.pictures) if asked.picture_addresses else None,
    )


def _of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Present = Annotated[Service, Depends(_of)]
"""The service that a route works for."""
