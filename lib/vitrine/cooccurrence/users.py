"""Lists for users: what a user's history weighs, times how much products belong together."""

from datetime import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as fn

from vitrine.cooccurrence.decay import freshness


def recent(events: DataFrame, count: int) -> DataFrame:
    """user_id of the `count` users with the newest events; of equally new ones those that come first by id."""
    newest = events.filter(fn.col("user_id").isNotNull()).groupBy("user_id").agg(fn.max("event_ts").alias("newest"))
    return newest.orderBy(fn.desc("newest"), "user_id").limit(count).select("user_id")


def of(events: DataFrame, users: DataFrame) -> DataFrame:
    """The events of these users: of the ids in column user_id."""
    return events.join(fn.broadcast(users.select("user_id").distinct()), "user_id", "left_semi")


def newest(events: DataFrame, count: int) -> DataFrame:
    """The newest events of each user, with `position` from 0, the newest; events of nobody are left out.

    Of events of equal time the one with the last product id is the newer.
    """
    newest_first = Window.partitionBy("user_id").orderBy(fn.desc("event_ts"), fn.desc("product_id"), fn.desc("weight"))
    known = events.filter(fn.col("user_id").isNotNull())
    ranked = known.withColumn("rank", fn.row_number().over(newest_first)).filter(fn.col("rank") <= count)
    return ranked.withColumn("position", fn.col("rank") - 1).drop("rank")


def affinities(events: DataFrame, *, half_life_days: float | None = 30.0, as_of: datetime | None = None) -> DataFrame:
    """SAR's affinity of users and products: user_id, product_id, affinity double.

    The sum over the user's events with the product of weight * 2^(-age / half life), the factor at most 1, the age
    taken at `as_of` (None: at the newest event). Without half life it is the sum of the weights. Notes, section 2.1.
    """
    known = events.filter(fn.col("user_id").isNotNull())
    return _summed(known, fn.col("weight") * freshness(known, half_life_days, as_of=as_of))


def recency(events: DataFrame, *, decay: float) -> DataFrame:
    """The affinity of `newest` events by their place: user_id, product_id, affinity, the sum of decay^position.

    `decay` 0 is the newest event alone. Notes, section 2.7.
    """
    return _summed(events, fn.pow(fn.lit(float(decay)), fn.col("position"))).filter(fn.col("affinity") > 0)


def items(
    affinity: DataFrame,
    similarities: DataFrame,
    *,
    measure: str,
    n: int = 50,
    seen: DataFrame | None = None,
    active: DataFrame | None = None,
) -> DataFrame:
    """At most `n` products for each user, best first: the sums over a history of affinity * score.

    Columns user_hash, product_id, score double, rank int from 1, measure; equal scores stand in the order of
    product_id. `affinity` is of `affinities` or `recency`, `similarities` of `measures.similarities` (with its diagonal
    for SAR) or of `related.top`. `seen` has the user_id and product_id of what is left out, `active` the product_id of
    all that may be in. Scores do not depend on the order of rows, to the last bit.
    """
    found = scores(affinity, similarities)
    if seen is not None:
        found = found.join(seen.select("user_id", "product_id").distinct(), ["user_id", "product_id"], "left_anti")
    if active is not None:
        found = found.join(fn.broadcast(active.select("product_id").distinct()), "product_id", "left_semi")
    best_first = Window.partitionBy("user_id").orderBy(fn.desc("score"), "product_id")
    ranked = found.withColumn("rank", fn.row_number().over(best_first)).filter(fn.col("rank") <= n)
    return ranked.select(
        fn.col("user_id").alias("user_hash"), "product_id", "score", "rank", fn.lit(measure).alias("measure")
    )


def scores(affinity: DataFrame, similarities: DataFrame) -> DataFrame:
    """R = A S: user_id, product_id, score of all products that belong to one of the user's."""
    related = similarities.select("product_id", "related_id", fn.col("score").alias("similarity"))
    terms = affinity.join(related, "product_id").select(
        "user_id", fn.col("related_id").alias("product_id"), (fn.col("affinity") * fn.col("similarity")).alias("term")
    )
    return terms.groupBy("user_id", "product_id").agg(_sum_in_order("term").alias("score"))


def _summed(events: DataFrame, value: Column) -> DataFrame:
    valued = events.select("user_id", "product_id", value.alias("value"))
    return valued.groupBy("user_id", "product_id").agg(_sum_in_order("value").alias("affinity"))


def _sum_in_order(name: str) -> Column:
    """A sum of doubles that does not depend on the order of rows; the values of one group fit in memory."""
    return fn.aggregate(fn.sort_array(fn.collect_list(name)), fn.lit(0.0), lambda total, value: total + value)
