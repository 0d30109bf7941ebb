"""The cap of sessions per product: which events of the most popular products make no pairs."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as fn

_SHARES = 32


def within_cap(events: DataFrame, cap: int) -> DataFrame:
    """`events` with a column `within_cap`: whether the event's session is one of those its product is counted in.

    Of the sessions that hold a product those `cap` count whose hash of (product, session) is smallest: the same ones
    for any order and partitioning of the events. No task sees all sessions of a product.
    """
    largest = events.join(fn.broadcast(_largest(events, cap)), "product_id", "left")
    return largest.withColumn("within_cap", fn.coalesce(_draw() <= fn.col("largest"), fn.lit(True))).drop("largest")


def _draw() -> Column:
    return fn.xxhash64("product_id", "session_id")


def _largest(events: DataFrame, cap: int) -> DataFrame:
    """product_id and the largest draw that counts, of products that more than `cap` sessions hold."""
    held = events.select("product_id", _draw().alias("draw")).distinct()
    share = Window.partitionBy("product_id", fn.pmod("draw", fn.lit(_SHARES))).orderBy("draw")
    smallest = held.withColumn("rank", fn.row_number().over(share)).filter(fn.col("rank") <= cap)
    whole = Window.partitionBy("product_id").orderBy("draw")
    ranked = smallest.withColumn("rank", fn.row_number().over(whole))
    return ranked.filter(fn.col("rank") == cap).select("product_id", fn.col("draw").alias("largest"))
