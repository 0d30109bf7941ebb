"""From events to tables of items: counted and measured by the code that the job runs, then held in memory."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from scipy.sparse import csr_array, diags_array

from vitrine.backtest.comparison import NEWEST_ALONE, Trained, is_of_affinity, is_shrunk
from vitrine.backtest.items import numbers
from vitrine.cooccurrence import measures, pairs
from vitrine.cooccurrence.measures import MEASURES
from vitrine.cooccurrence.pairs import UNLIMITED, Counted, PairLimits, PairWeights
from vitrine.ranking import Figures, Indices
from vitrine.settings.recommend import Recommend

TABLES_KEPT = 2

SHRINKAGE = 20.0
"""Shrinkage of the tables that Spark makes; others are made from those."""

RULES_KEPT = 20
"""How many items a rule leads to: session-rec's."""


def events_of(spark: SparkSession, sessions: pa.Array, products: pa.Array, seconds: NDArray[np.float64]) -> DataFrame:
    """Events of weight 1 as the counting takes them; all (n,), `seconds` since 1970."""
    times = pa.array(np.rint(seconds * 1e6).astype(np.int64)).cast(pa.timestamp("us", tz="UTC"))
    weights = pa.array(np.ones(len(seconds)))
    columns = {"session_id": sessions, "product_id": products, "weight": weights, "event_ts": times}
    return spark.createDataFrame(pa.table(columns))


def learn(train: DataFrame, items: pa.Array, limits: PairLimits, wanted: Collection[str]) -> Trained:
    """Count the pairs that the measures need inside sessions; their tables are made when they are asked for.

    `items` are all that can be recommended, in their order; the training part holds no others. Sessions are taken for
    users' histories, where a measure wants those.
    """
    counted = pairs.count(train, limits, sums=_sums(wanted))
    return _trained(items, Counts(counted, counted))


def learn_by_user(train: DataFrame, items: pa.Array, counting: Recommend, wanted: Collection[str]) -> Trained:
    """As `learn`, from cleaned events as the job counts them: SAR's pairs inside users' histories, without a limit."""
    limits = PairLimits(counting.session_events, counting.pair_gap, counting.pair_window_s, counting.item_sessions)
    weights = PairWeights(half_life_days=counting.pair_half_life_days)
    by_session = pairs.count(train, limits, weights=weights, sums=_sums(wanted))
    by_user = pairs.count(pairs.of_users(train), UNLIMITED, sums=()) if any(map(is_of_affinity, wanted)) else by_session
    return _trained(items, Counts(by_session, by_user, counting.threshold))


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted inside sessions and inside users' histories, and how often a pair must have been seen."""

    by_session: Counted
    by_user: Counted
    threshold: int = 1

    def release(self) -> None:
        """Let Spark forget them."""
        self.by_session.release()
        self.by_user.release()

    def table(self, items: pa.Array, measure: str) -> csr_array:
        """A measure, with the shrinkage `SHRINKAGE` where it has one.

        An item's score with itself stays where SAR has it, or where it says how often an item comes again.
        """
        by_user = is_of_affinity(measure)
        found = measures.similarities(
            self.by_user if by_user else self.by_session,
            measure,
            shrinkage=SHRINKAGE,
            threshold=self.threshold,
            diagonal=by_user or bool(MEASURES[measure].sums),
        ).toArrow()
        one, other = numbers(found["product_id"], items), numbers(found["related_id"], items)
        score = np.asarray(found["score"])
        if measure in NEWEST_ALONE:
            one, other, score = _best_of_each(one, other, score)
        return csr_array((score, (one, other)), shape=(len(items), len(items)))


def _sums(wanted: Collection[str]) -> set[str]:
    return measures.sums(name for name in wanted if name in MEASURES)


def _trained(items: pa.Array, counts: Counts) -> Trained:
    found = counts.by_session.supports.toArrow()
    support = np.zeros(len(items), dtype=np.int64)
    support[numbers(found["product_id"], items)] = np.asarray(found["support"])

    @lru_cache(maxsize=TABLES_KEPT)
    def collected(measure: str) -> csr_array:
        return counts.table(items, measure)

    def table(measure: str, shrinkage: float) -> csr_array:
        return _shrunk(collected(measure), support, shrinkage) if is_shrunk(measure) else collected(measure)

    return Trained(items, support, counts.by_session.sessions, table, counts.release)


def _shrunk(table: csr_array, support: Indices, shrinkage: float) -> csr_array:
    """The table with another shrinkage: the pairs need not be summed again."""
    held = np.maximum(support, 1)  # an item that no session holds has no score
    scale = diags_array(np.sqrt((held + SHRINKAGE) / (held + shrinkage)))
    return csr_array(scale @ table @ scale)


def _best_of_each(one: Indices, other: Indices, score: Figures) -> tuple[Indices, Indices, Figures]:
    order = np.lexsort((other, -score, one))
    one, other, score = one[order], other[order], score[order]
    rank = np.arange(len(one)) - np.searchsorted(one, one)
    kept = rank < RULES_KEPT
    return one[kept], other[kept], score[kept]
