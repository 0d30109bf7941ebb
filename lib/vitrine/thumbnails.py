"""Thumbnails: small WebP pictures that are named by the hash of the picture that they show.

Layout: `ab/<sha256>.webp` in a directory or behind a URI. What a name holds never changes: another size wants another
place.
"""

import functools
import re
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType

from vitrine.errors import BadInput, BadRecord
from vitrine.features import Known
from vitrine.images import thumbnail
from vitrine.images.apart import Apart
from vitrine.settings import Pictures
from vitrine.storage import Directory, directory

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SUFFIX = ".webp"


class Thumbnails:
    """The thumbnails of one place; any number of threads and processes may write and read at the same time.

    `size` is the longer side in pixels; pictures that are smaller stay as they are. `limits` are those of pictures
    that come in.
    """

    def __init__(self, uri: str, size: int = 256, *, limits: Pictures | None = None) -> None:
        self._place = directory(uri)
        self.size = size
        self.limits = limits or Pictures()

    def missing(self, sha256: str) -> bool:
        """Whether there is no thumbnail of the picture with this hash."""
        return not self._place.exists(_name(sha256))

    def write(self, sha256: str, data: bytes) -> None:
        """Make the thumbnail of a picture and keep it: upright, on white, with no metadata.

        `data` are the bytes whose hash `sha256` is. They are decoded in this process.

        Raises:
            BadRecord: the picture cannot be used, as `vitrine.images.inspect`.
        """
        self.put(sha256, thumbnail(data, self.size, self.limits))

    def put(self, sha256: str, webp: bytes) -> None:
        """Keep a thumbnail that is made already."""
        self._place.write(_name(sha256), webp)

    def read(self, sha256: str) -> bytes | None:
        """The thumbnail of the picture with this hash, as WebP; None where there is none, or no such hash."""
        if not _SHA256.fullmatch(sha256):
            return None
        try:
            return self._place.read(_name(sha256))
        except FileNotFoundError:
            return None

    def write_known(self, place: Directory, name: str) -> int:
        """Write the hashes of all that are there, sorted, 32 bytes each, as a file for `KnownHashes`; returns how many.

        Lists the place once, where asking for each hash would cost a call.
        """
        hashes = (known.rpartition("/")[2].removesuffix(_SUFFIX) for known in self._place.names())
        found = sorted(sha256 for sha256 in hashes if _SHA256.fullmatch(sha256))
        place.write(name, bytes.fromhex("".join(found)))
        return len(found)


class Maker:
    """Makes the thumbnails that are missing while other work goes on, in processes apart; a context manager.

    A picture that cannot be used, kills its decoder or takes too long has none. `known` holds the digests, 32 bytes
    each, of those that are there. At most two pictures a thread wait; leaving the block waits for them.
    """

    def __init__(self, thumbnails: Thumbnails, known: Known, *, threads: int) -> None:
        self._thumbnails = thumbnails
        self._known = known
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="vitrine-thumbnail")
        self._room = threading.BoundedSemaphore(2 * threads)
        self._offered: dict[str, Future[bool]] = {}
        self._processes = ExitStack()
        self._mine = threading.local()

    @property
    def made(self) -> int:
        """How many were made; raises what kept one from being written. Waits for those that are under way."""
        return sum(future.result() for future in self._offered.values())

    def offer(self, sha256: str, data: bytes) -> None:
        """Make the thumbnail of these bytes if there is none; waits while too many others wait."""
        if sha256 not in self._offered and bytes.fromhex(sha256) not in self._known:
            self._room.acquire()
            future = self._pool.submit(self._make, sha256, data)
            future.add_done_callback(lambda _: self._room.release())
            self._offered[sha256] = future

    def _make(self, sha256: str, data: bytes) -> bool:
        if not hasattr(self._mine, "process"):
            work = functools.partial(small, side=self._thumbnails.size)
            self._mine.process = self._processes.enter_context(Apart(work))
        try:
            webp = self._mine.process(data, self._thumbnails.limits)
        except BadRecord:
            return False
        self._thumbnails.put(sha256, webp)
        return True

    def __enter__(self) -> "Maker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=error is not None)
        self._processes.close()


def small(data: bytes, limits: Pictures, *, side: int) -> bytes:
    """`vitrine.images.thumbnail`, as work for a process apart."""
    return thumbnail(data, side, limits)


def _name(sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise BadInput(f"{sha256[:80]!r} is no sha256: give 64 hexadecimal digits in lower case")
    return f"{sha256[:2]}/{sha256}{_SUFFIX}"
