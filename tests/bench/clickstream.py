"""A synthetic clickstream: seeded, products by Zipf's law, sessions with a heavy tail."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

PRODUCTS = 50_000
LONGEST = 5_000
TYPES, SHARES, WEIGHTS = ("view", "cart", "purchase"), (0.9, 0.07, 0.03), (1.0, 6.0, 3.0)
_EVENTS_OF_A_FILE = 250_000
_START_US = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1e6)


def write(directory: Path, events: int) -> None:
    """Cleaned events as Parquet files; the first of n events are not those of another n."""
    directory.mkdir(parents=True)
    popularity = 1 / np.arange(1, PRODUCTS + 1)
    popularity /= popularity.sum()
    for number, start in enumerate(range(0, events, _EVENTS_OF_A_FILE)):
        drawn = np.random.default_rng([events, number])
        table = _sessions(drawn, number, min(_EVENTS_OF_A_FILE, events - start), popularity)
        pq.write_table(table, directory / f"{number:04}.parquet")


def _sessions(drawn: np.random.Generator, number: int, events: int, popularity: "np.ndarray") -> pa.Table:
    """Sessions of lognormal length, median 4, p99 50, one after another; their rows are shuffled."""
    lengths = np.minimum(drawn.lognormal(1.4, 1.1, events).astype(np.int64) + 1, LONGEST)
    session = np.repeat(np.arange(events), lengths)[:events]
    at_us = _START_US + np.cumsum(drawn.integers(1, 120, events)) * 1_000_000
    kind = drawn.choice(len(TYPES), events, p=SHARES)
    order = drawn.permutation(events)
    product = drawn.choice(PRODUCTS, events, p=popularity)
    columns = {
        "user_id": pa.array([f"u{one % 10_007}" for one in session]),
        "session_id": pa.array([f"s{number}-{one}" for one in session]),
        "product_id": pa.array([f"P{one:06}" for one in product]),
        "event_type": pa.array(np.array(TYPES)[kind]),
        "weight": pa.array(np.array(WEIGHTS)[kind]),
        "event_ts": pa.array(at_us, pa.timestamp("us", tz="UTC")),
    }
    return pa.table(columns).take(pa.array(order))
