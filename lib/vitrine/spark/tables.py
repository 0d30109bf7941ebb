"""Tables that Spark alone can read: written down as Parquet, which the executors then read by themselves."""

import hashlib
from collections.abc import Sequence

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from vitrine.errors import BadInput
from vitrine.spark.causes import cause
from vitrine.storage import directory

_WRITTEN = "_SUCCESS"
_BLOCK_BYTES = 128 << 20


def as_parquet(spark: SparkSession, sources: Sequence[str], uri: str) -> list[str]:
    """The sources, with each table that only Spark can read written as Parquet below `uri`, unless it was before.

    Such a source is `table:NAME` for a table of Spark's catalogue, or `FORMAT:PATH`, as in `orc:/data/shop`, for what
    Spark has a reader for. Their pictures' bytes cross the JVM once; those of all other sources never do.

    Raises:
        BadInput: Spark cannot read it.
    """
    return [_exported(spark, source, uri) if is_table(source) else source for source in sources]


def is_table(source: str) -> bool:
    """Whether a source names a table that only Spark can read."""
    kind, colon, rest = source.partition(":")
    return bool(colon) and kind.isidentifier() and not rest.startswith("//")


def _exported(spark: SparkSession, source: str, uri: str) -> str:
    place = f"{uri}/{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    if directory(place).exists(_WRITTEN):
        return place
    kind, _, rest = source.partition(":")
    try:
        frame = spark.table(rest) if kind == "table" else spark.read.format(kind).load(rest)
        frame.write.option("parquet.block.size", _BLOCK_BYTES).mode("overwrite").parquet(place)
    except (PySparkException, Py4JError) as error:
        raise BadInput(f"Spark cannot read the catalogue {source}: {cause(error)}") from error
    return place
