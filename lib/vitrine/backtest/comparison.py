"""Measures side by side: the same cases, the same training part, one row of figures each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from vitrine import ranking
from vitrine.backtest.cases import Cases
from vitrine.backtest.scoring import best
from vitrine.cooccurrence.measures import DEFAULT, MEASURES
from vitrine.errors import BadInput
from vitrine.ranking import Indices

POPULARITY = "popularity"
"""The baseline: for everybody the items that most sessions hold."""

NEWEST_ALONE = ("association-rules", "markov", "sequential-rules", "sequential-rules-quadratic")
"""Measures that go by the newest item alone, as their authors score (session-rec)."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """What is fitted: shrinkage of the supports, and how much an older item counts relative to the next newer one."""

    shrinkage: float
    decay: float

    def of(self, measure: str) -> str:
        """What of them a measure uses, for people."""
        if measure in NEWEST_ALONE:
            return "newest item alone"
        shrinkage = f"shrinkage {self.shrinkage:g}, " if is_shrunk(measure) else ""
        return f"{shrinkage}decay {self.decay:g}" if is_decayed(measure) else ""


def is_shrunk(measure: str) -> bool:
    """Whether a measure has a shrinkage."""
    return measure == DEFAULT


def is_decayed(measure: str) -> bool:
    """Whether the decay is used: by measures that weigh a history by place, and look at more than its newest item."""
    return not (measure == POPULARITY or measure in NEWEST_ALONE or is_of_affinity(measure))


def is_of_affinity(measure: str) -> bool:
    """Whether a measure weighs a history by affinity in the place of position, as SAR does."""
    return measure in MEASURES and MEASURES[measure].of_users


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training part says: its items in their order, how many sessions hold each, and a table by measure.

    `table(measure, shrinkage)` is (items, items): how much the row's item speaks for the column's. `release` is called
    when no more tables are wanted.
    """

    items: pa.Array
    supports: Indices
    sessions: int
    table: Callable[[str, float], csr_array]
    release: Callable[[], None]

    @property
    def popular(self) -> Indices:
        """All items, those of most sessions first."""
        return np.argsort(-self.supports, kind="stable")


@dataclass(frozen=True, slots=True)
class Trial:
    """One question: cases, whether known items may be recommended, whether short lists are filled by popularity.

    Raises:
        BadInput: there are no cases.
    """

    name: str
    cases: Cases
    repeats: bool = False
    filled: bool = True

    def __post_init__(self) -> None:
        if not len(self.cases):
            raise BadInput("nothing is left to judge: nobody has both a history and something that came after it")


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one measure, keys such as `ndcg@10`; `intervals` hold 95 % of the bootstrap's means."""

    measure: str
    note: str
    figures: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]


def lists(trial: Trial, trained: Trained, measure: str, knobs: Knobs, k: int) -> Indices:
    """What a measure recommends in each case, (cases, k)."""
    known, shape = trial.cases.known, (len(trial.cases), len(trained.items))
    order = trained.popular if trial.filled else np.arange(len(trained.items))
    seen = None if trial.repeats else known.decayed(1.0, shape)
    if measure == POPULARITY:
        nothing = csr_array(shape, dtype=np.float64)
        return best(nothing, csr_array((shape[1], shape[1])), trained.popular, k, seen=seen)
    if is_of_affinity(measure):
        weights = known.affinities(shape)
    else:
        weights = known.decayed(0.0 if measure in NEWEST_ALONE else knobs.decay, shape)
    return best(weights, trained.table(measure, knobs.shrinkage), order, k, seen=seen)


def row(
    trial: Trial, trained: Trained, measure: str, knobs: Knobs, *, ks: Sequence[int], resamples: int, seed: int
) -> Row:
    """Judge one measure at each of `ks`."""
    made = lists(trial, trained, measure, knobs, max(ks))
    cases = trial.cases
    found = ranking.hits(made, cases.relevant_case, cases.relevant_item)
    each = {f"{name}@{k}": values for k in ks for name, values in ranking.metrics(found, cases.relevant, k).items()}
    figures = {name: float(np.mean(values)) for name, values in each.items()}
    for k in ks:
        figures[f"coverage@{k}"] = ranking.coverage(made, len(trained.items), k)
        figures[f"novelty@{k}"] = ranking.novelty(made, trained.supports, trained.sessions, k)
    intervals = ranking.interval(each, cases.groups, resamples=resamples, seed=seed) if resamples else {}
    return Row(measure, knobs.of(measure), figures, intervals)


def gain(trial: Trial, trained: Trained, measure: str, knobs: Knobs, *, k: int = 10) -> float:
    """Mean NDCG at `k`: what fitting makes as large as it can."""
    made = lists(trial, trained, measure, knobs, k)
    found = ranking.hits(made, trial.cases.relevant_case, trial.cases.relevant_item)
    return float(np.mean(ranking.metrics(found, trial.cases.relevant, k)["ndcg"]))
