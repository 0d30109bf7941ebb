"""The products that may be recommended: those of a catalogue."""

from collections.abc import Sequence

import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as fn

from vitrine import catalog
from vitrine.catalog.sources import locate, readable, shown
from vitrine.errors import BadInput


def products(spark: SparkSession, sources: Sequence[str], column: str) -> DataFrame:
    """product_id of all products of a catalogue's Parquet files; a product may have several rows.

    Raises:
        BadInput: nothing is there, or a file lacks the column.
    """
    files = [source.file for source in catalog.find(sources)]
    for file in files:
        filesystem, path = locate(file)
        with readable(file):
            names = pq.read_schema(path, filesystem=filesystem).names
        if column not in names:
            raise BadInput(f"{shown(file)} has no column {column}: set columns.product_id to one of {', '.join(names)}")
    return spark.read.parquet(*files).select(fn.col(f"`{column}`").cast("string").alias("product_id"))
