"""What of the raw events counts: every row is used, or refused for a reason that is counted."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as fn
from pyspark.sql.pandas.functions import arrow_udf
from pyspark.sql.types import StringType

from vitrine.errors import BadInput, GateFailed
from vitrine.settings.recommend import Recommend

EVENT_COLUMNS = ("user_id", "session_id", "product_id", "event_type", "weight", "event_ts")
REASONS = {
    "unreadable": "a line that cannot be parsed",
    "no_product": "no product id, or none in UTF-8",
    "id_too_long": "a product id of more than 256 bytes",
    "no_timestamp": "no time, or text or a number that is none",
    "future": "after as_of",
    "no_user_or_session": "neither user nor session",
    "unknown_type": "an event type without a weight",
    "test_user": "an event of a test user",
    "duplicate": "the same event again: user, session, product, type and time are equal",
    "cancellation": "a row that says that an earlier event is cancelled",
    "cancelled": "an event that a cancellation took away",
    "before_window": "before the window of days",
    "bot": "of a user (without one: a session) that had too many events on that day",
}
"""Why a row is refused; of several reasons the first counts."""

_ID_BYTES = 256
_DAY_S = 86_400
_KEYS = ("user_id", "session_id", "product_id", "event_type", "event_ts", "is_cancellation")


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the rows that were read: read = used + refused; `refused` is by reason, in their order."""

    read: int
    used: int
    refused: Mapping[str, int]


def judge(raw: DataFrame, settings: Recommend, *, as_of: datetime, hashed: Callable[[str], str] | None) -> DataFrame:
    """Raw events with what is wrong with each, but for bots; equal events are one row.

    Columns: user_id (as `hashed` makes it, on executors; None: there are no users), session_id, product_id,
    event_type, event_ts, all null in rows that cannot be used by themselves; `reason` of REASONS, null in rows to be
    used; `rows` that are so in the input, and its `duplicates`.
    """
    tests = [hashed(user) for user in settings.test_users] if hashed else []
    named = raw.withColumns({"user_id": _user(hashed), "session_id": _filled(fn.col("session_id"))})
    judged = _once(named.withColumn("reason", _fault(settings, as_of, tests)))
    if settings.cancelled:
        judged = _settled(judged, settings.cancelled_types)
    if settings.window_days is not None:
        since = fn.lit(as_of - timedelta(days=settings.window_days))
        judged = _refused(judged, fn.col("event_ts") < since, "before_window")
    return judged.drop("is_cancellation")


def mark_bots(judged: DataFrame, settings: Recommend) -> DataFrame:
    """`judged`, which is computed twice, with the reason `bot` where a user had too many events on a day, UTC."""
    day = fn.floor(fn.unix_seconds("event_ts") / _DAY_S)
    dated = judged.withColumns({"owner": _owner(), "day": day})
    busy = dated.where("reason IS NULL").groupBy("owner", "day").agg(fn.count("*").alias("events"))
    bots = busy.where(fn.col("events") > settings.bots_per_day)  # at most one in bots_per_day rows: it can be sent
    marked = dated.join(fn.broadcast(bots), ["owner", "day"], "left")
    return _refused(marked, fn.col("events").isNotNull(), "bot").select(judged.columns)


def account(judged: DataFrame, read: int) -> Account:
    """The counts by reason of judged events, from `read` rows.

    Raises:
        GateFailed: `account` if a row is unaccounted for.
        BadInput: no event is left.
    """
    table = judged.groupBy("reason").agg(fn.sum("rows").alias("rows"), fn.sum("duplicates").alias("duplicates"))
    found = table.collect()  # a row for each reason
    counts = Counter({row["reason"]: row["rows"] for row in found})
    used = counts.pop(None, 0)
    counts["duplicate"] = sum(row["duplicates"] for row in found)
    refused = {reason: counts[reason] for reason in REASONS if counts[reason]}
    if used + counts.total() != read:
        raise GateFailed("account", f"{used + counts.total()} of {read} events accounted for")
    if not used:
        why = ", ".join(f"{reason} {count}" for reason, count in refused.items()) or "there was none"
        raise BadInput(f"no event is left of {read}: {why}; check --columns, --types, --as_of and --window_days")
    return Account(read, used, refused)


def events(judged: DataFrame, types: Mapping[str, float]) -> DataFrame:
    """The events that are to be used, with their weights; columns EVENT_COLUMNS, `session_id` null where none is given.

    User or session is given. No two rows are equal.
    """
    weights = fn.create_map(*(fn.lit(part) for pair in types.items() for part in pair))
    return judged.where("reason IS NULL").withColumn("weight", weights[fn.col("event_type")]).select(*EVENT_COLUMNS)


def _user(hashed: Callable[[str], str] | None) -> Column:
    """The keyed hash of the user's id; the function is called once for each user of a batch."""
    if hashed is None:
        return fn.lit(None).cast("string")

    def of_batch(users: pa.Array) -> pa.Array:
        coded = users.dictionary_encode()
        known = pa.array([hashed(user) for user in coded.dictionary.to_pylist()], pa.string())
        return known.take(coded.indices)

    hashes: Callable[[Column], Column] = arrow_udf(of_batch, StringType())  # type: ignore[call-overload]
    return hashes(_filled(fn.make_valid_utf8(fn.col("user_id"))))


def _filled(text: Column) -> Column:
    """The text, null where it is empty."""
    return fn.nullif(text, fn.lit(""))


def _owner() -> Column:
    """Whose events belong together across sessions: the user's, else the session's."""
    return fn.coalesce("user_id", "session_id")


def _fault(settings: Recommend, as_of: datetime, tests: Sequence[str]) -> Column:
    """The first reason why a row cannot be used by itself, else null."""
    product, time = fn.col("product_id"), fn.col("event_ts")
    is_known = fn.col("event_type").isin(list(settings.types)) | fn.col("is_cancellation")
    faults = {
        "unreadable": fn.col("is_unreadable"),
        "no_product": product.isNull() | (product == "") | ~fn.is_valid_utf8(product),
        "id_too_long": fn.octet_length(product) > _ID_BYTES,
        "no_timestamp": time.isNull(),
        "future": time > fn.lit(as_of),
        "no_user_or_session": _owner().isNull(),
        "unknown_type": ~fn.coalesce(is_known, fn.lit(False)),
        "test_user": fn.col("user_id").isin(list(tests)),
    }
    return fn.coalesce(*(fn.when(fault, reason) for reason, fault in faults.items()))


def _once(rows: DataFrame) -> DataFrame:
    """Equal events as one row. Refused ones keep their reason alone, so that a flood of them is a few rows."""
    sound = fn.col("reason").isNull()
    kept = rows.select(*(fn.when(sound, fn.col(name)).alias(name) for name in _KEYS), "reason")
    copies = kept.groupBy(*_KEYS, "reason").agg(fn.count("*").alias("copies"))
    alone = fn.when(sound, fn.lit(1)).otherwise(fn.col("copies"))
    return copies.withColumns({"rows": alone, "duplicates": fn.col("copies") - alone}).drop("copies")


def _settled(judged: DataFrame, types: Sequence[str]) -> DataFrame:
    """Mark cancellations, and the events that they take away.

    Events and cancellations of one product are like opening and closing brackets: an event is taken away if the
    balance, once it stood, ever falls below what it was then.
    """
    is_cancellation, is_sound = fn.col("is_cancellation"), fn.col("reason").isNull()
    can_go = fn.col("event_type").isin(list(types)) if types else fn.lit(True)
    step = fn.when(is_sound & is_cancellation, -1).when(is_sound & can_go, 1).otherwise(0)
    first = (fn.col("event_ts"), is_cancellation.desc(), fn.col("event_type"), fn.col("session_id"))
    last = (fn.col("event_ts").desc(), is_cancellation, fn.col("event_type").desc(), fn.col("session_id").desc())
    of_product = Window.partitionBy(_owner(), "product_id").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    balanced = judged.withColumn("step", step).withColumn("balance", fn.sum("step").over(of_product.orderBy(*first)))
    ahead = balanced.withColumn("lowest", fn.min("balance").over(of_product.orderBy(*last)))
    taken = (fn.col("step") == 1) & (fn.col("lowest") < fn.col("balance"))
    marked = _refused(_refused(ahead, is_cancellation, "cancellation"), taken, "cancelled")
    return marked.select(judged.columns)


def _refused(judged: DataFrame, fault: Column, reason: str) -> DataFrame:
    """Rows that are not refused yet are, for that reason, where the fault is true."""
    return judged.withColumn("reason", fn.coalesce("reason", fn.when(fault, reason)))
