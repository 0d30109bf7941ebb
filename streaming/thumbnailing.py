"""Thumbnails of new pictures, made in a process apart: one that kills or stalls its decoder costs only itself."""

import functools
from contextlib import ExitStack

from vitrine.errors import Unavailable
from vitrine.images.apart import Apart
from vitrine.thumbnails import Thumbnails, small


class Thumbnailer:
    """Makes thumbnails that are missing; for one thread. Close it."""

    def __init__(self, thumbnails: Thumbnails) -> None:
        self._thumbnails = thumbnails
        self._open = ExitStack()
        self._process: Apart | None = None

    def __call__(self, digest: str, data: bytes) -> None:
        """Make the thumbnail of these bytes, whose hash `digest` is, if there is none.

        Raises:
            BadRecord: the picture has none, as `vitrine.images.thumbnail`, or it ends its decoder or takes too long.
            Unavailable: the process has ended; the next picture has a new one.
            OSError: what was made cannot be kept.
        """
        if not self._thumbnails.missing(digest):
            return
        if self._process is None:
            self._process = self._open.enter_context(Apart(functools.partial(small, side=self._thumbnails.size)))
        try:
            webp = self._process(data, self._thumbnails.limits)
        except Unavailable:
            self.close()
            raise
        self._thumbnails.put(digest, webp)

    def close(self) -> None:
        """End the process; a later picture has a new one."""
        self._process = None
        self._open.close()
