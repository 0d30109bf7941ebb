"""Slow plain Python that counts pairs and scores them as the notes say: what the fast way is compared with."""

import math
import random
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame, SparkSession

EVENTS = "user_id string, session_id string, product_id string, event_type string, weight double, event_ts timestamp"
START = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Event:
    session: str
    product: str
    at_s: int
    weight: float = 1.0

    def row(self) -> tuple[str, str, str, str, float, datetime]:
        return self.session, self.session, self.product, "view", self.weight, START + timedelta(seconds=self.at_s)


def clicks(*sessions: str) -> list[Event]:
    """`clicks("s1: a b a")`: a session's products, a second apart."""
    found = []
    for text in sessions:
        session, _, products = text.partition(": ")
        found += [Event(session, product, at_s) for at_s, product in enumerate(products.split())]
    return found


def frame(spark: SparkSession, events: Iterable[Event], partitions: int = 2) -> DataFrame:
    rows = [event.row() for event in events]
    return spark.createDataFrame(rows, EVENTS).repartition(partitions)


def clickstream(seed: int, *, sessions: int = 60, products: int = 12, longest: int = 14) -> list[Event]:
    """Random sessions with repeats, equal times, pauses of hours and three weights."""
    drawn = random.Random(seed)
    found = []
    for number in range(sessions):
        at_s = drawn.randrange(1000)
        for _ in range(drawn.randint(1, longest)):
            at_s += drawn.choice((0, 1, 60, 5_000))
            product = f"p{min(int(drawn.paretovariate(0.7)), products):02}"
            found.append(Event(f"s{seed}-{number}", product, at_s, drawn.choice((1.0, 3.0, 6.5))))
    return found


@dataclass
class Table:
    """What the oracle counted, by pair."""

    pair_count: Counter = field(default_factory=Counter)
    support: Counter = field(default_factory=Counter)
    sums: dict[str, Counter] = field(default_factory=lambda: defaultdict(Counter))
    sessions: int = 0


def counted(events, *, session_events=None, gap=None, window_s=None, by_session_length=False) -> Table:
    """All pairs of positions of each session, one after another."""
    table, sessions = Table(), defaultdict(list)
    for event in sorted(events, key=lambda e: (e.at_s, _draw(e), e.product, e.weight)):
        sessions[event.session].append(event)
    table.sessions = len(sessions)
    for whole in sessions.values():
        session = whole[-session_events:] if session_events else whole
        factor = 1 / math.log2(2 + len(session)) if by_session_length else 1.0
        table.support.update({event.product for event in session})
        moments = sorted({event.at_s for event in session})
        held = set()
        for first, one in enumerate(session):
            for second in range(first + 1, len(session)):
                other, distance = session[second], second - first
                if window_s is None or other.at_s - one.at_s <= window_s:
                    held.add(frozenset((one.product, other.product)))
                    _add(table.sums, one, other, distance, within=gap is None or distance <= gap)
                    apart = moments.index(other.at_s) - moments.index(one.at_s)
                    if gap is None or apart <= gap:
                        _direct(table.sums, one, other, apart, factor)
        for pair in held:
            if len(pair) == 2:
                one, other = pair
                table.pair_count[one, other] += 1
                table.pair_count[other, one] += 1
    for product, support in table.support.items():
        table.pair_count[product, product] = support
    return table


def _draw(event: Event) -> int:
    return zlib.crc32((event.session + event.product).encode())


def _direct(sums, one: Event, other: Event, apart: int, factor: float) -> None:
    """Events of equal time: half of the pair each way round."""
    for earlier, later in [(one, other)] if apart else [(one, other), (other, one)]:
        share = factor / apart if apart else factor / 2
        sums["forward"][earlier.product, later.product] += later.weight * share
        sums["backward"][later.product, earlier.product] += earlier.weight * share


def _add(sums, one: Event, other: Event, distance: int, *, within: bool) -> None:
    ahead, back = (one.product, other.product), (other.product, one.product)
    sums["positions"][ahead] += 1
    sums["positions"][back] += 1
    sums["consecutive"][ahead] += distance == 1
    if within:
        sums["inverse_gap"][ahead] += 1 / distance
        sums["inverse_square_gap"][ahead] += 1 / distance**2


def score(measure: str, table: Table, i: str, j: str, *, shrinkage: float = 20.0) -> float | None:
    """The formulas of the notes for one pair; None where there is none."""
    c, n_i, n_j, n = table.pair_count[i, j], table.support[i], table.support[j], table.sessions
    products = len(table.support)
    sums = {name: table.sums[name][i, j] for name in ("forward", "backward", "positions", "consecutive")}
    formulas = {
        "cooccurrence": lambda: c,
        "jaccard": lambda: c / (n_i + n_j - c),
        "cosine": lambda: c / math.sqrt(n_i * n_j),
        "lift": lambda: c / (n_i * n_j),
        "inclusion": lambda: c / min(n_i, n_j),
        "mutual-information": lambda: math.log2(products * c / (n_i * n_j)),
        "lexicographers-mi": lambda: c * math.log2(products * c / (n_i * n_j)),
        "llr": lambda: _llr(c, n_i - c, n_j - c, n - n_i - n_j + c),
        "gap-weighted": lambda: (
            (sums["forward"] + 0.5 * sums["backward"]) / math.sqrt((n_i + shrinkage) * (n_j + shrinkage))
        ),
        "association-rules": lambda: sums["positions"],
        "sequential-rules": lambda: table.sums["inverse_gap"][i, j],
        "sequential-rules-quadratic": lambda: table.sums["inverse_square_gap"][i, j],
        "markov": lambda: sums["consecutive"],
    }
    return formulas[measure]() if c else None


def _llr(k11: int, k12: int, k21: int, k22: int) -> float:
    def entropy(*counts: int) -> float:
        return _xlogx(sum(counts)) - sum(map(_xlogx, counts))

    ratio = entropy(k11 + k12, k21 + k22) + entropy(k11 + k21, k12 + k22) - entropy(k11, k12, k21, k22)
    return max(0.0, 2 * ratio)


def _xlogx(x: int) -> float:
    return x * math.log(x) if x else 0.0
