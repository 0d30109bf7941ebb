"""The hashes of all stored vectors, as the workers of a run look them up."""

import mmap
from bisect import bisect_left
from pathlib import Path
from typing import Protocol

from pyarrow import fs

from vitrine.storage import Directory

_DIGEST_BYTES = 32


class Known(Protocol):
    """A set of sha256 digests, 32 bytes each."""

    def __contains__(self, digest: bytes, /) -> bool: ...


class KnownHashes:
    """The sorted hashes of a file, mapped into memory where the file is local; shared by all threads."""

    def __init__(self, place: Directory, name: str) -> None:
        self._data: bytes | mmap.mmap
        path = Path(place.path(name))
        if isinstance(place.filesystem, fs.LocalFileSystem) and path.stat().st_size:
            with path.open("rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        else:
            self._data = place.read(name)

    def __len__(self) -> int:
        return len(self._data) // _DIGEST_BYTES

    def _at(self, number: int) -> bytes:
        return self._data[number * _DIGEST_BYTES : (number + 1) * _DIGEST_BYTES]

    def __contains__(self, digest: bytes) -> bool:
        found = bisect_left(range(len(self)), digest, key=self._at)
        return found < len(self) and self._at(found) == digest
