"""Tables that Spark alone can read: written down as Parquet, which the executors then read by themselves."""

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from vitrine.errors import BadInput
from vitrine.storage import directory

_WRITTEN = "_SUCCESS"
_BLOCK_BYTES = 128 << 20


def is_table(source: str) -> bool:
    """Whether a catalogue is named as `table:NAME` or `FORMAT:PATH`, not as a path or URI of Parquet files."""
    kind, colon, rest = source.partition(":")
    return bool(colon) and kind.isidentifier() and not rest.startswith("//")


def export(spark: SparkSession, source: str, uri: str) -> str:
    """Write a table as Parquet below `uri`, unless that was done before, and return `uri`.

    `source` is `table:NAME` for a table of Spark's catalogue, or `FORMAT:PATH` such as `orc:/data/shop` for
    whatever Spark has a reader for. This is the one case where pictures' bytes cross the JVM.

    Raises:
        BadInput: Spark cannot read it.
    """
    if directory(uri).exists(_WRITTEN):
        return uri
    try:
        frame = _read(spark, source)
        frame.write.option("parquet.block.size", _BLOCK_BYTES).mode("overwrite").parquet(uri)
    except PySparkException as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"Spark cannot read the catalogue {source}: {reason}") from error
    return uri


def _read(spark: SparkSession, source: str) -> DataFrame:
    kind, _, rest = source.partition(":")
    return spark.table(rest) if kind == "table" else spark.read.format(kind).load(rest)
