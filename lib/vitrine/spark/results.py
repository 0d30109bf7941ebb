"""DataFrames as Parquet: kept for the next step, or as files whose content depends on the rows alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.parquet as pq
from py4j.protocol import Py4JError
from pyarrow import fs
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from vitrine.errors import BadInput
from vitrine.spark.causes import cause
from vitrine.storage import directory

_ASIDE = ".aside-"
_PART = re.compile(r"part-(\d+)-.*\.parquet")


def staged(frame: DataFrame, uri: str) -> DataFrame:
    """The same rows, written below `uri` and read from there: what follows does not compute them again.

    Raises:
        BadInput: a value or a file that they come from stops Spark.
    """
    try:
        frame.write.mode("overwrite").parquet(uri)
    except (PySparkException, Py4JError) as error:
        raise BadInput(f"Spark stopped at the input: {cause(error)}") from error
    return frame.sparkSession.read.parquet(uri)


@dataclass(frozen=True, slots=True)
class Written:
    """Paths or URIs of Parquet files, and how many rows they hold."""

    files: tuple[str, ...]
    rows: int


def write(frame: DataFrame, uri: str, name: str, *, key: str, order: Sequence[str], files: int = 1) -> Written:
    """Write NAME-00000.parquet and so on below `uri`, which replace older ones of that name.

    Rows go to one of at most `files` files by the hash of `key`, and stand there in `order`, which must tell any two
    rows apart: then equal rows give equal files, whatever their order and partitions, but for footers, in which a JVM
    lists encodings in an order of its own. Files are written aside, and moved when all are complete.
    """
    place, aside = directory(uri), f"{_ASIDE}{name}"
    placed = frame.repartition(files, key)
    placed.sortWithinPartitions(*order).write.mode("overwrite").parquet(f"{uri}/{aside}")
    parts = [part for part in place.within(aside).names() if _PART.fullmatch(part)]
    for old in place.names():
        if re.fullmatch(rf"{re.escape(name)}-\d+\.parquet", old):
            place.delete(old)
    finals = [_PART.sub(rf"{name}-\1.parquet", part) for part in parts]
    for part, final in zip(parts, finals, strict=True):
        place.rename(f"{aside}/{part}", final)
    drop(f"{uri}/{aside}")
    rows = sum(pq.read_metadata(place.path(final), filesystem=place.filesystem).num_rows for final in finals)
    return Written(tuple(f"{uri}/{final}" for final in finals), rows)


def drop(uri: str) -> None:
    """Remove a directory that Spark wrote, if it is there."""
    place = directory(uri)
    if place.filesystem.get_file_info(place.root).type == fs.FileType.Directory:
        place.filesystem.delete_dir(place.root)
