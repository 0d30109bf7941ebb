"""The protocols of events: the next item of later sessions (session-rec), and each user's last product.

Events are cleaned ones (`vitrine.cooccurrence.cleaning`), with or without a user.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as fn

from vitrine.backtest.cases import Cases, Histories
from vitrine.backtest.items import distinct, numbers
from vitrine.backtest.sequences import Sequences
from vitrine.errors import BadInput
from vitrine.ranking import Indices

NEWEST_EVENTS = 500
"""Newest events of a history that are looked at: the longest session of OTTO."""


Stage = Callable[[DataFrame, str], DataFrame]
"""Writes rows down under a name and reads them again: plans that join a table with itself would grow without end."""


@dataclass(frozen=True, slots=True)
class Later:
    """Sessions that ended before a moment, and those that ended after it: both columns of cleaned events."""

    train: DataFrame
    test: DataFrame


def usable(events: DataFrame, *, min_support: int) -> DataFrame:
    """Events of products with `min_support` events, in sessions of two such events (session-rec's filter)."""
    longer = _of_frequent(events, "session_id", 2)
    return _of_frequent(_of_frequent(longer, "product_id", min_support), "session_id", 2)


def later(events: DataFrame, *, days: float) -> Later:
    """Cut before the last `days`: a session belongs to the side of its last event.

    Raises:
        BadInput: one of the sides is empty.
    """
    ends = events.groupBy("session_id").agg(fn.max("event_ts").alias("ended"))
    newest, oldest = ends.agg(fn.max("ended"), fn.min("ended")).collect()[0]  # one row
    if newest is None:
        raise BadInput("no session holds two events of products that are frequent enough: lower --min_support")
    cut = newest - timedelta(days=days)
    if oldest > cut:
        raise BadInput(f"all sessions ended in the last {days:g} days: lower --test_days")
    timed = events.join(ends, "session_id")
    return Later(*(timed.where(side).drop("ended") for side in (fn.col("ended") <= cut, fn.col("ended") > cut)))


def items(train: DataFrame) -> pa.Array:
    """The products of a training part, in their order; as many as a catalogue has."""
    return distinct(train.select("product_id").distinct().toArrow()["product_id"])


def next_items(test: DataFrame, known: pa.Array, *, most: int, seed: int, repeats: bool) -> Cases:
    """A case for each event of a session that has one before it: those before are known, it alone is relevant.

    Events of products that `known` does not hold are left out. Of more than `most` cases so many are drawn by `seed`.
    Without `repeats` only cases remain whose relevant item is new to its session.
    """
    events = test.select("session_id", "product_id", "event_ts", "weight").toArrow()
    events = events.filter(pc.is_in(events["product_id"], value_set=known))
    events = events.sort_by([(name, "ascending") for name in ("session_id", "event_ts", "product_id", "weight")])
    sessions = pc.unique(events["session_id"])
    session, item = numbers(events["session_id"], sessions), numbers(events["product_id"], known)
    sizes = np.bincount(session, minlength=len(sessions))
    position = np.arange(len(session)) - (np.cumsum(sizes) - sizes)[session]
    wanted = position > 0
    if not repeats:
        first = np.unique(session * max(len(known), 1) + item, return_index=True)[1]
        wanted &= np.isin(np.arange(len(item)), first)
    rows = np.flatnonzero(wanted)
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    return _before(rows, position, item, np.asarray(events["weight"], dtype=np.float64), session)


def _before(
    rows: Indices,
    position: Indices,
    item: Indices,
    weight: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    session: Indices,
) -> Cases:
    """Cases whose relevant items are `rows`, and whose history are the rows of the session before."""
    lengths = np.minimum(position[rows], NEWEST_EVENTS)
    case = np.repeat(np.arange(len(rows)), lengths)
    back = np.arange(len(case)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    before = rows[case] - 1 - back
    groups = np.unique(session[rows], return_inverse=True)[1].astype(np.int64)
    return Cases(Histories(case, item[before], back, weight[before]), np.arange(len(rows)), item[rows], groups)


@dataclass(frozen=True, slots=True)
class LastProducts:
    """Events without the last two products of each user, and the histories of some users."""

    train: DataFrame
    sequences: Sequences


def last_products(events: DataFrame, *, users: int, seed: int, stage: Stage) -> LastProducts:
    """Hold back the two products that each user came to last; users of fewer than three keep all.

    The histories are of `users` of the others, drawn by `seed`: each product once, where the user first had it.

    Raises:
        BadInput: no user has three products.
    """
    had = events.where("user_id is not null").groupBy("user_id", "product_id").agg(fn.min("event_ts").alias("event_ts"))
    newest_first = Window.partitionBy("user_id").orderBy(fn.desc("event_ts"), fn.desc("product_id"))
    placed = had.select("*", fn.row_number().over(newest_first).alias("place"))
    longer = stage(_of_frequent(placed, "user_id", 3), "histories")
    held = longer.where("place <= 2").select("user_id", "product_id")
    train = stage(events.join(held, ["user_id", "product_id"], "left_anti").select(events.columns), "train")
    drawn = longer.select("user_id").distinct().orderBy(fn.xxhash64("user_id", fn.lit(seed)), "user_id").limit(users)
    found = longer.where(f"place <= {NEWEST_EVENTS}").join(drawn, "user_id").toArrow()
    if not found.num_rows:
        raise BadInput("no user has three products: --split=last needs users' ids")
    found = found.sort_by([("user_id", "ascending"), ("place", "descending")])
    known, people = items(train), pc.unique(found["user_id"].combine_chunks())
    left = np.asarray(found["place"], dtype=np.int64) - 1
    user, item = numbers(found["user_id"], people), numbers(found["product_id"], known)
    return LastProducts(train, Sequences(people, known, user, item, left))


def _of_frequent(events: DataFrame, column: str, least: int) -> DataFrame:
    frequent = events.groupBy(column).count().where(fn.col("count") >= least).select(column)
    return events.join(frequent, column, "left_semi")
