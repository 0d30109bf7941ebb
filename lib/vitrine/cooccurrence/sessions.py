"""Sessions: given, or cut from user and time where a pause is longer than a gap."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as fn

_STRETCH_S = 86_400


def complete(events: DataFrame, gap_s: int) -> DataFrame:
    """Events that all have a session: where none is given, user and start of the session make its id.

    Such a session begins with the user's first event, and after each pause longer than `gap_s` seconds. Nothing
    depends on the order or the partitioning of the events. No task gets all events of a user who has very many: the
    days of a user are cut apart from each other, and joined where a session goes on over midnight.
    """
    cut = _cut(events.where("session_id IS NULL"), gap_s)
    return events.where("session_id IS NOT NULL").unionByName(cut)


def over(events: DataFrame, n: int) -> tuple[int, int]:
    """How many sessions have more than `n` events, and how many events they have beyond them."""
    beyond = events.groupBy("session_id").agg((fn.count("*") - n).alias("beyond")).where("beyond > 0")
    found = beyond.agg(fn.count("*"), fn.coalesce(fn.sum("beyond"), fn.lit(0))).collect()[0]  # one row
    return found[0], found[1]


def _cut(events: DataFrame, gap_s: int) -> DataFrame:
    """Each event gets the start of its session: within its day if it began there, else the one carried over."""
    day = fn.floor(fn.unix_seconds("event_ts") / _STRETCH_S)
    dated = events.withColumn("day", day)
    in_day = Window.partitionBy("user_id", "day").orderBy("event_ts")
    pause = fn.unix_micros("event_ts") - fn.lag(fn.unix_micros("event_ts")).over(in_day)
    start = fn.when(pause > gap_s * 1_000_000, fn.col("event_ts"))
    begun = dated.withColumn("start", start)
    so_far = in_day.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    known = begun.withColumn("start", fn.last("start", ignorenulls=True).over(so_far))
    found = known.join(_carried(begun, gap_s), ["user_id", "day"])
    begins = fn.unix_micros(fn.coalesce("start", "carried"))
    return found.withColumn("session_id", fn.concat_ws("@", "user_id", begins)).select(events.columns)


def _carried(begun: DataFrame, gap_s: int) -> DataFrame:
    """For each day of a user, the start of the session that its first event belongs to; a row a day."""
    days = begun.groupBy("user_id", "day").agg(
        fn.min("event_ts").alias("first"), fn.max("event_ts").alias("last"), fn.max("start").alias("start")
    )
    by_day = Window.partitionBy("user_id").orderBy("day")
    pause = fn.unix_micros("first") - fn.lag(fn.unix_micros("last")).over(by_day)
    opens = fn.when(fn.coalesce(pause > gap_s * 1_000_000, fn.lit(True)), fn.col("first"))
    latest = fn.last(fn.coalesce("start", opens), ignorenulls=True)
    before = by_day.rowsBetween(Window.unboundedPreceding, -1)
    return days.select("user_id", "day", fn.coalesce(opens, latest.over(before)).alias("carried"))
