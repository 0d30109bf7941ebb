"""The feature store of one model: append, look up, list, put together."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import accumulate
from typing import TypeVar

import numpy as np
import pyarrow as pa

from vitrine.embedding import Vectors
from vitrine.errors import Unavailable
from vitrine.features.parts import BUCKETS, SCHEMA, Parts
from vitrine.features.vectors import vector_column, vector_matrix
from vitrine.storage import Directory, directory

T = TypeVar("T")

MOST_SMALL_PARTS = 8
"""Of a bucket, before they are put together."""
SMALL_BYTES = 64 << 20
"""Larger parts stay as they are, so that a vector is written again a few times in all, not once a run."""
_FLUSH_BYTES = 256 << 20
_LISTINGS = 20
_THREADS = 8


class FeatureStore:
    """The vectors of one model, below `model=<id>` of a directory or URI.

    Any number of processes may append, read and compact at the same time, and be killed while they do: every vector
    that was there stays to be found.
    """

    def __init__(self, uri: str, model_id: str, dim: int) -> None:
        self._parts = Parts(directory(uri).within(f"model={model_id}"), dim)
        self._dim = dim

    @property
    def set_aside(self) -> list[str]:
        """Names of the parts that this object found to be broken and renamed to `.unreadable`."""
        return self._parts.set_aside

    def append(self, features: Iterable[tuple[pa.Array, Vectors]]) -> int:
        """Add features: hex hashes with their (n, dim) vectors. Returns how many were written.

        Buffers at most 256 MB, then writes one part a bucket; what is written stays if a later item fails.
        """
        written, waiting, size_bytes = 0, [], 0
        for hashes, vectors in features:
            waiting.append(pa.table([hashes.cast(pa.string()), vector_column(vectors)], schema=SCHEMA))
            size_bytes += waiting[-1].nbytes
            if size_bytes >= _FLUSH_BYTES:
                written += self._parts.write(pa.concat_tables(waiting))
                waiting, size_bytes = [], 0
        return written + (self._parts.write(pa.concat_tables(waiting)) if waiting else 0)

    def bucket(self, bucket: str) -> tuple[list[str], Vectors]:
        """Hashes, sorted and distinct, and (n, dim) vectors of one bucket, all checked.

        A hash that is none of this bucket is left out, as is a vector that is not finite, not unit or of another
        dimension; their parts, and those whose content cannot be read, are put aside.

        Raises:
            Unavailable: the storage does not give a part that it lists.
        """
        found = [table for table in self._each_part(bucket, self._parts.read) if table is not None]
        table = pa.concat_tables([SCHEMA.empty_table(), *found])
        hashes, first = np.unique(table["sha256"].to_numpy().astype("S64"), return_index=True)
        return [sha256.decode() for sha256 in hashes], vector_matrix(table["vector"], self._dim)[first]

    def write_known_hashes(self, place: Directory, name: str) -> int:
        """Write all hashes, sorted, 32 bytes each, as a file for `KnownHashes`. Returns how many.

        Vectors are not read: one that is unusable shows when it is wanted, and is put aside then.

        Raises:
            Unavailable: the storage does not give a part that it lists.
        """
        count = 0
        with place.output(name) as stream, ThreadPoolExecutor(_THREADS) as pool:
            for start in range(0, len(BUCKETS), 2 * _THREADS):
                for hashes in pool.map(self._hashes, BUCKETS[start : start + 2 * _THREADS]):
                    stream.write(bytes.fromhex(hashes.tobytes().decode()))
                    count += len(hashes)
        return count

    def _hashes(self, bucket: str) -> np.ndarray[tuple[int, ...], np.dtype[np.bytes_]]:
        found = self._each_part(bucket, self._parts.read_hashes)
        return np.unique(np.concatenate([np.empty(0, "S64"), *(hashes.to_numpy().astype("S64") for hashes in found)]))

    def compact(self) -> int:
        """Put the small parts of each bucket that has many of them together into one; returns how many went away.

        Of each hash one vector stays. The new part is complete before the old ones go, so a process that is killed
        leaves rows that are there twice, which the next one puts together.

        Raises:
            Unavailable: the storage does not give a part that it lists.
        """
        gone = 0
        for bucket in BUCKETS:
            while len(names := self._small_parts(bucket)) > MOST_SMALL_PARTS:
                self._put_together(names)
                gone += len(names)
        return gone

    def _small_parts(self, bucket: str) -> list[str]:
        """The smallest parts of a bucket, as many as are put together at once."""
        sizes = sorted((size_bytes, name) for name, size_bytes in self._parts.sizes(bucket).items())
        small = [part for part in sizes if part[0] < SMALL_BYTES]
        held_bytes = accumulate(size_bytes for size_bytes, _ in small)
        return [name for (_, name), held in zip(small, held_bytes, strict=True) if held <= 2 * SMALL_BYTES]

    def _put_together(self, names: Sequence[str]) -> None:
        tables = [SCHEMA.empty_table()]
        for name in names:
            with suppress(FileNotFoundError):  # another process has put it together with others
                if (table := self._parts.read(name)) is not None:
                    tables.append(table)
        self._parts.write(pa.concat_tables(tables))
        for name in names:
            self._parts.delete(name)

    def _each_part(self, bucket: str, read: Callable[[str], T]) -> list[T]:
        """What `read` gives for each part of a bucket, which is listed again if one of them has gone since."""
        found: dict[str, T] = {}
        for _ in range(_LISTINGS):
            names = self._parts.sizes(bucket).keys()
            for name in sorted(names - found.keys()):
                with suppress(FileNotFoundError):
                    found[name] = read(name)
            if names <= found.keys():
                return list(found.values())
        raise Unavailable(f"feature store: parts of bucket {bucket} go away as they are read: try again")


def lookup(store: FeatureStore, hashes: Iterable[str]) -> dict[str, Vectors]:
    """The (dim,) vectors of those hashes that the store has; for a few hashes, each costs a bucket."""
    wanted = set(hashes)
    found: dict[str, Vectors] = {}
    for bucket in sorted({sha256[:2] for sha256 in wanted}):
        found |= {sha256: vector for sha256, vector in zip(*store.bucket(bucket), strict=True) if sha256 in wanted}
    return found
