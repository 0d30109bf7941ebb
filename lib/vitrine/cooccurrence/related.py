"""The list of related products of each product."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as fn

from vitrine.cooccurrence.measures import scored
from vitrine.cooccurrence.pairs import Counted

_COLUMNS = ("product_id", "related_id", "score", "rank", "pair_count", "support", "related_support")


def top(
    counted: Counted,
    measure: str,
    *,
    n: int = 50,
    shrinkage: float = 20.0,
    threshold: int = 1,
    active: DataFrame | None = None,
) -> DataFrame:
    """At most `n` related products of each product, best first.

    Columns product_id, related_id, score double, rank int from 1, pair_count, support, related_support, measure.
    Equal scores stand in the order of related_id; no product is in its own list, and no score is 0 or less.
    `active` has a column product_id: other products have no list and are in none.
    """
    pairs = scored(counted, measure, shrinkage=shrinkage, threshold=threshold)
    pairs = pairs.filter((fn.col("product_id") != fn.col("related_id")) & (fn.col("score") > 0))
    if active is not None:
        living = fn.broadcast(active.select("product_id").distinct())
        pairs = pairs.join(living, "product_id", "left_semi")
        pairs = pairs.join(living.withColumnRenamed("product_id", "related_id"), "related_id", "left_semi")
    best_first = Window.partitionBy("product_id").orderBy(fn.desc("score"), "related_id")
    ranked = pairs.withColumn("rank", fn.row_number().over(best_first)).filter(fn.col("rank") <= n)
    return ranked.select(*_COLUMNS, fn.lit(measure).alias("measure"))
