"""Moments from what files hold as such: timestamps, ISO 8601 text, numbers since 1970."""

import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as fn
from pyspark.sql.types import DataType, DateType, StringType, TimestampNTZType, TimestampType

_US = {"s": "1000000", "ms": "1000", "us": "1", "ns": "0.001"}
_DATE_FIRST = r"^\s*\d{4}-\d"  # Spark also takes a time alone, and puts the present day before it


def is_instant(kind: pa.DataType) -> bool:
    """Whether a column of that type may hold moments."""
    tests = (
        pa.types.is_timestamp,
        pa.types.is_date,
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_decimal,
    )
    return any(test(kind) for test in tests)


def instant(column: Column, kind: DataType, unit: str) -> Column:
    """The column as timestamps; null for what is none, and for zero or less: not a moment but a sign of none.

    Numbers, also such in text, are counted in `unit` since 1970.
    """
    if isinstance(kind, (TimestampType, TimestampNTZType, DateType)):
        return column.cast("timestamp")
    number = fn.try_multiply(column.try_cast("decimal(38,9)"), fn.lit(_US[unit]).cast("decimal(10,3)"))
    microseconds = fn.floor(number).try_cast("bigint")
    counted = fn.when(microseconds > 0, fn.timestamp_micros(microseconds))
    if not isinstance(kind, StringType):
        return counted
    return fn.coalesce(counted, fn.when(column.rlike(_DATE_FIRST), fn.try_to_timestamp(column)))
