"""What an event counts by its age."""

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as fn

_DAY_US = 86_400_000_000


def freshness(events: DataFrame, half_life_days: float | None, *, as_of: datetime | None = None) -> Column:
    """2^(-age / half life) of an event, at most 1; 1 for all without a half life.

    The age is taken at `as_of`, which knows its time zone, or else at the newest of `events` (a job of its own).
    Source: SAR, notes section 2.1.
    """
    if half_life_days is None:
        return fn.lit(1.0)
    event_us = fn.unix_micros("event_ts")
    newest_us = events.agg(fn.max(event_us)).collect()[0][0] if as_of is None else round(as_of.timestamp() * 1e6)
    age_days = (fn.lit(newest_us) - event_us) / _DAY_US
    return fn.least(fn.lit(1.0), fn.pow(fn.lit(2.0), -age_days / half_life_days))
