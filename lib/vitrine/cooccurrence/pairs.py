"""Pairs of products counted inside sessions: no self-join, no shuffle by product, sums that no order changes."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as fn

from vitrine.cooccurrence.caps import within_cap
from vitrine.cooccurrence.decay import freshness
from vitrine.cooccurrence.pairing import KEY, MUTED, PAIR_COUNT, SESSIONS, TERMS, Pairing, records, schema

SUMS = tuple(TERMS)
_SYMMETRIC = "positions"
_REVERSED = "backward"
_LOW_BITS = (1 << 32) - 1
_EVENTS_OF_A_TASK = 250_000


@dataclass(frozen=True, slots=True)
class PairLimits:
    """What is counted of long sessions and popular products; None is no limit.

    `session_events`: only the newest events of a session. `window_s`: pairs of events within so many seconds.
    `gap`: the sums of 1/gap take pairs at most so many positions apart; pair counts and positions take all. In
    `forward` and `backward` events of equal time stand at one position, as the products of a basket do.
    `item_sessions`: a product is counted in at most so many sessions, chosen by a hash; its other events keep their
    places. Events of equal time stand in an order that a hash of session and product draws.
    """

    session_events: int | None = 50
    gap: int | None = 10
    window_s: float | None = 86_400
    item_sessions: int | None = None


UNLIMITED = PairLimits(None, None, None, None)
"""Every pair of a session counts: B'B of SAR, rules of session-rec."""


@dataclass(frozen=True, slots=True)
class PairWeights:
    """What multiplies the weight of an event in `forward` and `backward`, besides 1/gap.

    `half_life_days`: 2^(-age / half life), at most 1, the age taken at `as_of` (None: at the newest event).
    `by_session_length`: 1/log2(2 + events of the session).
    """

    half_life_days: float | None = None
    as_of: datetime | None = None
    by_session_length: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted; the two DataFrames are kept by Spark until `release`.

    `pairs`: product_id, related_id, pair_count (sessions that hold both), support and related_support (sessions that
    hold the one and the other), and the sums that were asked for, int64: `forward` (related after product; its
    weight/gap), `backward` (related before), `inverse_gap` and `inverse_square_gap` (related after), all four in units
    of `pairing.UNIT`; `consecutive` (related next) and `positions` (pairs of positions, in any order). Both directions
    have a row. A product has a row with itself: its pair_count is its support, its sums are of repeats, in `positions`
    twice. `supports`: product_id, support, events (all events that were given). `sessions` and `products` are the
    number of each.
    """

    pairs: DataFrame
    supports: DataFrame
    sessions: int
    products: int
    kept: tuple[DataFrame, ...] = ()

    def release(self) -> None:
        """Let Spark forget what it kept; what is read later is counted again."""
        for frame in self.kept:
            frame.unpersist()


def count(
    events: DataFrame,
    limits: PairLimits | None = None,
    *,
    weights: PairWeights | None = None,
    sums: Collection[str] = SUMS,
) -> Counted:
    """Count pairs in one pass over cleaned events: of columns session_id, product_id, weight, event_ts.

    Equal events give equal bits whatever their order, partitions and retries. A session is held by one task, which
    needs memory for its newest `session_events` only; ids of all products are sent to every executor. Weights are
    from 0 to 1,000: partial sums of such ones fit in int64, and Spark tells of a total that does not.
    """
    limits, weights = limits or PairLimits(), weights or PairWeights()
    pairing = _pairing(limits, weights, sums)
    items = _items(events).persist(StorageLevel.MEMORY_AND_DISK)
    total, products = items.agg(fn.coalesce(fn.sum("events"), fn.lit(0)), fn.count("*")).collect()[0]
    partitions = _slots(events) + total // _EVENTS_OF_A_TASK
    summed = _summed(_coded(events, items, limits, weights), pairing, partitions=partitions)
    summed = summed.persist(StorageLevel.MEMORY_AND_DISK)
    sessions = summed.filter(fn.col("lower") == SESSIONS).collect()
    known = _supports(items, summed).persist(StorageLevel.MEMORY_AND_DISK)
    return Counted(
        pairs=_directed(summed, known, pairing.sums),
        supports=known.select("product_id", "support", "events"),
        sessions=sessions[0][PAIR_COUNT] if sessions else 0,
        products=products,
        kept=(items, summed, known),
    )


def of_users(events: DataFrame) -> DataFrame:
    """The events with each user's history as one session; events of nobody are left out."""
    return events.filter(fn.col("user_id").isNotNull()).withColumn("session_id", fn.col("user_id"))


def _pairing(limits: PairLimits, weights: PairWeights, sums: Collection[str]) -> Pairing:
    return Pairing(
        session_events=limits.session_events,
        gap=math.inf if limits.gap is None else limits.gap,
        window_us=math.inf if limits.window_s is None else limits.window_s * 1e6,
        by_session_length=weights.by_session_length,
        sums=tuple(name for name in SUMS if name in sums),
    )


def _slots(events: DataFrame) -> int:
    return events.sparkSession.sparkContext.defaultParallelism


def _items(events: DataFrame) -> DataFrame:
    """product_id, events, and `item`: the rank of the id among all, which stands for it in keys."""
    counts = events.groupBy("product_id").agg(fn.count("*").alias("events"))
    ordered = counts.repartitionByRange(_slots(events), "product_id").sortWithinPartitions("product_id")
    return ordered.zipWithIndex("item")


def _coded(events: DataFrame, items: DataFrame, limits: PairLimits, weights: PairWeights) -> DataFrame:
    if limits.item_sessions is not None:
        events = within_cap(events, limits.item_sessions)
        item = fn.when(fn.col("within_cap"), fn.col("item")).otherwise(MUTED)
    else:
        item = fn.col("item")
    fresh = freshness(events, weights.half_life_days, as_of=weights.as_of)
    return events.join(fn.broadcast(items.select("product_id", "item")), "product_id").select(
        "session_id",
        item.cast("int").alias("item"),
        fn.unix_micros("event_ts").alias("time_us"),
        (fn.col("weight") * fresh).alias("weight"),
        fn.crc32(fn.concat("session_id", "product_id")).alias("draw"),
        fn.col("item").alias("place"),
    )


def _summed(coded: DataFrame, pairing: Pairing, *, partitions: int) -> DataFrame:
    """lower, upper: codes of a pair, lower <= upper; its pair_count; of each other sum both directions."""
    names = schema(pairing).names

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return records(batches, pairing)

    newest_first = fn.desc("time_us"), fn.desc("draw"), fn.desc("place"), fn.desc("weight")
    found = (
        coded.repartition(partitions, "session_id")
        .sortWithinPartitions("session_id", *newest_first)
        .drop("draw", "place")
        .mapInArrow(run, ", ".join(f"{name} long" for name in names))
    )
    older, newer = fn.shiftright(KEY, 32), fn.col(KEY).bitwiseAND(fn.lit(_LOW_BITS))
    lower, upper = fn.least(older, newer).alias("lower"), fn.greatest(older, newer).alias("upper")
    return (
        found.select(lower, upper, (older <= newer).alias("rising"), (older >= newer).alias("falling"), *names[1:])
        .repartition(partitions, "lower", "upper")  # what arrives was summed before it was sent
        .groupBy("lower", "upper")
        .agg(fn.sum(PAIR_COUNT).alias(PAIR_COUNT), *(each for name in pairing.sums for each in _both_ways(name)))
    )


def _both_ways(name: str) -> Iterator[Column]:
    """The sum for the row from lower to upper, and that for the row from upper to lower."""
    if name == _SYMMETRIC:
        yield fn.sum(name).alias(name)
        return
    upwards = fn.col("falling" if name == _REVERSED else "rising")
    yield fn.sum(fn.when(upwards, fn.col(name)).otherwise(0)).alias(name)
    yield fn.sum(fn.when(upwards, 0).otherwise(fn.col(name))).alias(_downwards(name))


def _downwards(name: str) -> str:
    return f"{name}_downwards"


def _supports(items: DataFrame, summed: DataFrame) -> DataFrame:
    own = summed.filter(fn.col("lower") == fn.col("upper")).select(fn.col("lower").alias("item"), PAIR_COUNT)
    joined = items.join(fn.broadcast(own), "item", "left")
    return joined.select("item", "product_id", fn.coalesce(PAIR_COUNT, fn.lit(0)).alias("support"), "events")


def _directed(summed: DataFrame, known: DataFrame, sums: Collection[str]) -> DataFrame:
    """A row for each direction, with ids and supports."""
    itself = fn.col("lower") == fn.col("upper")
    upwards, downwards = [], []
    for name in sums:
        if name == _SYMMETRIC:
            both = fn.when(itself, fn.col(name) * 2).otherwise(fn.col(name))
            upwards.append(both.alias(name))
            downwards.append(both.alias(name))
        else:
            upwards.append(fn.col(name))
            downwards.append(fn.col(_downwards(name)).alias(name))
    up = fn.struct(fn.col("lower").alias("from"), fn.col("upper").alias("to"), PAIR_COUNT, *upwards)
    down = fn.struct(fn.col("upper").alias("from"), fn.col("lower").alias("to"), PAIR_COUNT, *downwards)
    rows = summed.filter(fn.col("lower") != SESSIONS).select(
        fn.inline(fn.when(itself, fn.array(up)).otherwise(fn.array(up, down)))
    )
    product = known.select(fn.col("item").alias("from"), "product_id", "support")
    related = known.select(
        fn.col("item").alias("to"), fn.col("product_id").alias("related_id"), fn.col("support").alias("related_support")
    )
    return (
        rows.join(fn.broadcast(product), "from")
        .join(fn.broadcast(related), "to")
        .select("product_id", "related_id", PAIR_COUNT, "support", "related_support", *sums)
    )
