"""The parts of a feature store: Parquet files that are written aside, renamed and never changed.

Layout: `bucket=<2 hex>/part-<uuid>.parquet` with the columns sha256 and vector. A picture's bucket is the first two
digits of its sha256. Pages carry checksums.
"""

import logging
from contextlib import suppress
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from vitrine.errors import Unavailable
from vitrine.features.vectors import are_unit, vector_matrix
from vitrine.storage import Directory

logger = logging.getLogger(__name__)

BUCKETS = tuple(f"{number:02x}" for number in range(256))
SCHEMA = pa.schema([("sha256", pa.string()), ("vector", pa.list_(pa.float32()))])

_UNREADABLE = (pa.ArrowException, OSError, KeyError, ValueError)


class Parts:
    """The parts of one model's vectors, of `dim` dimensions."""

    def __init__(self, place: Directory, dim: int) -> None:
        self._place = place
        self._dim = dim
        self.set_aside: list[str] = []

    def sizes(self, bucket: str) -> dict[str, int]:
        """The parts of a bucket by name, with their sizes in bytes."""
        place = fs.FileSelector(self._place.path(f"bucket={bucket}"), allow_not_found=True)
        found = self._place.filesystem.get_file_info(place)
        parts = [info for info in found if info.base_name.startswith("part-") and info.extension == "parquet"]
        return {f"bucket={bucket}/{info.base_name}": info.size for info in parts}

    def delete(self, name: str) -> None:
        """Remove a part, whoever is the first to."""
        with suppress(FileNotFoundError):
            self._place.delete(name)

    def write(self, table: pa.Table) -> int:
        """Write a table of `SCHEMA`, of each hash its first row, as one part a bucket; returns how many rows."""
        table = table.combine_chunks()
        hashes, first = np.unique(table["sha256"].to_numpy().astype("S64"), return_index=True)
        edges = np.searchsorted(hashes, [bucket.encode() for bucket in (*BUCKETS, "g")])
        for bucket, start, stop in zip(BUCKETS, edges[:-1], edges[1:], strict=True):
            if start < stop:
                with self._place.output(f"bucket={bucket}/part-{uuid4().hex}.parquet") as stream:
                    part = table.take(pa.array(first[start:stop]))
                    pq.write_table(part, stream, compression="none", use_dictionary=False, write_page_checksum=True)
        return len(hashes)

    def read(self, name: str) -> pa.Table | None:
        """The sound rows of a part: a hash of its bucket with a finite unit vector of `dim`.

        A part whose content cannot be read is renamed to `.unreadable`: None. So is one with other rows, after its
        sound ones were written as a new part.

        Raises:
            FileNotFoundError: it is gone; another process has put it aside or together with others.
            Unavailable: the storage lists it and does not give it.
        """
        data = self._bytes(name)
        try:
            source = pa.BufferReader(data)
            table = pq.read_table(source, page_checksum_verification=True).select(SCHEMA.names).cast(SCHEMA)
        except _UNREADABLE as error:
            self._put_aside(name, str(error))
            return None
        sound = self._sound(table, bucket=_bucket(name))
        if len(sound) < len(table):
            self.write(sound)
            self._put_aside(name, f"{len(table) - len(sound)} of {len(table)} rows hold no unit vector or wrong hashes")
        return sound

    def read_hashes(self, name: str) -> pa.ChunkedArray:
        """The hashes of a part that are of its bucket. Their vectors are neither read nor checked: `read` does that.

        Raises:
            FileNotFoundError, Unavailable: as `read`.
        """
        try:
            with self._place.filesystem.open_input_file(self._place.path(name)) as stream:
                parquet = pq.ParquetFile(stream, page_checksum_verification=True)
                parquet.schema_arrow.field("vector")
                hashes = parquet.read(columns=["sha256"])["sha256"].cast(pa.string())
        except FileNotFoundError:
            raise
        except _UNREADABLE:
            table = self.read(name)  # tells a broken part from a storage that does not answer
            hashes = (SCHEMA.empty_table() if table is None else table)["sha256"]
        return hashes.filter(_is_of(hashes, _bucket(name)))

    def _sound(self, table: pa.Table, *, bucket: str) -> pa.Table:
        right = pc.and_(_is_of(table["sha256"], bucket), pc.equal(pc.list_value_length(table["vector"]), self._dim))
        table = table.filter(right)
        return table.filter(pa.array(are_unit(vector_matrix(table["vector"], self._dim))))

    def _bytes(self, name: str) -> bytes:
        try:
            return self._place.read(name)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Unavailable(f"feature store: cannot read {self._place.path(name)}: {error}") from error

    def _put_aside(self, name: str, why: str) -> None:
        self.set_aside.append(name)
        logger.warning("feature part set aside name=%s error=%s", name, why)
        with suppress(FileNotFoundError):
            self._place.rename(name, f"{name}.unreadable")


def _bucket(name: str) -> str:
    return name.removeprefix("bucket=").partition("/")[0]


def _is_of(hashes: pa.ChunkedArray, bucket: str) -> pa.ChunkedArray:
    return pc.match_substring_regex(hashes, f"^{bucket}[0-9a-f]{{62}}$")
