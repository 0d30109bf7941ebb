"""The feature store: vectors by picture hash and model, so that no picture is embedded twice.

Layout: `model=<id>/bucket=<2 hex>/part-<uuid>.parquet` with the columns sha256 and vector. Append-only: parts are
written aside and renamed, and never changed. A picture's bucket is the first two digits of its sha256.
"""

import logging
import mmap
from bisect import bisect_left
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from vitrine.embedding import Vectors
from vitrine.errors import Unavailable
from vitrine.storage import Directory, directory

logger = logging.getLogger(__name__)

BUCKETS = tuple(f"{number:02x}" for number in range(256))
_DIGEST_BYTES = 32
_FLUSH_BYTES = 256 << 20
_UNIT_TOLERANCE = 1e-3
_SCHEMA = pa.schema([("sha256", pa.string()), ("vector", pa.list_(pa.float32()))])


class FeatureStore:
    """The vectors of one model."""

    def __init__(self, uri: str, model_id: str, dim: int) -> None:
        self._place = directory(uri).within(f"model={model_id}")
        self._dim = dim
        self.set_aside = 0

    def append(self, features: Iterable[tuple[pa.Array, Vectors]]) -> int:
        """Add features: hex hashes with their (n, dim) vectors. Returns how many were written.

        Buffers at most 256 MB, then writes one part a bucket; what is written stays if a later item fails.
        """
        written, waiting, size_bytes = 0, [], 0
        for hashes, vectors in features:
            waiting.append(_table(hashes, vectors))
            size_bytes += waiting[-1].nbytes
            if size_bytes >= _FLUSH_BYTES:
                written += self._write(pa.concat_tables(waiting))
                waiting, size_bytes = [], 0
        return written + (self._write(pa.concat_tables(waiting)) if waiting else 0)

    def _write(self, table: pa.Table) -> int:
        order = table.sort_by("sha256")
        hashes = order["sha256"].to_numpy()
        first = np.r_[True, hashes[1:] != hashes[:-1]] if len(hashes) else np.array([], bool)
        order = order.filter(pa.array(first))
        edges = np.searchsorted(order["sha256"].to_numpy().astype("S64"), [b.encode() for b in (*BUCKETS, "g")])
        for bucket, start, stop in zip(BUCKETS, edges[:-1], edges[1:], strict=True):
            if start < stop:
                name = f"bucket={bucket}/part-{uuid4().hex}.parquet"
                with self._place.output(name) as stream:
                    pq.write_table(order.slice(start, stop - start), stream, compression="none", use_dictionary=False)
        return len(order)

    def bucket(self, bucket: str) -> tuple[list[str], Vectors]:
        """Hashes, sorted and distinct, and (n, dim) vectors of one bucket.

        A hash that is none of this bucket is left out, as is a vector that is not finite, not unit or of another
        dimension. A part whose content cannot be read is renamed to `.unreadable` and counted in `set_aside`.

        Raises:
            Unavailable: the storage does not give a part that it lists.
        """
        tables = [table for name in self._parts(bucket) if (table := self._read(name)) is not None]
        if not tables:
            return [], np.empty((0, self._dim), np.float32)
        table = pa.concat_tables(tables)
        table = table.filter(pc.match_substring_regex(table["sha256"], f"^{bucket}[0-9a-f]{{62}}$"))
        vectors = vector_matrix(table["vector"], self._dim)
        usable = _usable(vectors)
        hashes, first = np.unique(table["sha256"].to_numpy()[usable].astype("S64"), return_index=True)
        return [sha256.decode() for sha256 in hashes], vectors[usable][first]

    def _parts(self, bucket: str) -> list[str]:
        return [name for name in self._place.names(f"bucket={bucket}") if name.endswith(".parquet")]

    def _read(self, name: str) -> pa.Table | None:
        try:
            data = self._place.read(name)
        except FileNotFoundError:  # another reader has just set it aside
            return None
        except OSError as error:
            raise Unavailable(f"feature store: cannot read {self._place.path(name)}: {error}") from error
        try:
            table = pq.read_table(pa.BufferReader(data)).select(_SCHEMA.names).cast(_SCHEMA)
            return table.filter(pc.equal(pc.list_value_length(table["vector"]), self._dim))
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            self._set_aside(name, error)
            return None

    def _set_aside(self, name: str, error: Exception) -> None:
        self.set_aside += 1
        logger.warning("feature part set aside name=%s error=%s", name, error)
        with suppress(FileNotFoundError):
            self._place.rename(name, f"{name}.unreadable")

    def write_known_hashes(self, place: Directory, name: str) -> int:
        """Write all usable hashes, sorted, 32 bytes each, as a file for `KnownHashes`. Returns how many."""
        count = 0
        with place.output(name) as stream:
            for bucket in BUCKETS:
                hashes, _ = self.bucket(bucket)
                stream.write(b"".join(map(bytes.fromhex, hashes)))
                count += len(hashes)
        return count


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


def lookup(store: FeatureStore, hashes: Iterable[str]) -> dict[str, Vectors]:
    """The (dim,) vectors of those hashes that the store has; for a few hashes, each costs a bucket."""
    wanted = set(hashes)
    found: dict[str, Vectors] = {}
    for bucket in sorted({sha256[:2] for sha256 in wanted}):
        found |= {sha256: vector for sha256, vector in zip(*store.bucket(bucket), strict=True) if sha256 in wanted}
    return found


def vector_column(vectors: Vectors) -> pa.Array:
    """(n, dim) float32 vectors as an Arrow list<float>, which Milvus imports and Parquet keeps exactly."""
    offsets = np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(vectors).reshape(-1)))


def vector_matrix(column: pa.ChunkedArray, dim: int) -> Vectors:
    """Inverse of `vector_column`."""
    flat: Vectors = column.combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    return flat.reshape(len(column), dim)


def _table(hashes: pa.Array, vectors: Vectors) -> pa.Table:
    return pa.table({"sha256": hashes.cast(pa.string()), "vector": vector_column(vectors)})


def _usable(vectors: Vectors) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    with np.errstate(invalid="ignore", over="ignore"):
        norms = np.linalg.norm(vectors, axis=1)
        usable: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = np.abs(norms - 1) <= _UNIT_TOLERANCE
    return usable
