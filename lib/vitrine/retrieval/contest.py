"""Models judged in one arena: metrics with intervals, by class, under distortion, and how fast they are."""

import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vitrine import matching, ranking
from vitrine.embedding import Embedder
from vitrine.errors import BadInput
from vitrine.matching import Judged, Numbers
from vitrine.product import counted
from vitrine.quality import exact_neighbours
from vitrine.retrieval.arena import Arena, Side, is_product
from vitrine.retrieval.bout import Bout
from vitrine.retrieval.mistakes import Mistake, mistakes
from vitrine.retrieval.robustness import Robustness, robustness
from vitrine.retrieval.served import Served
from vitrine.retrieval.timing import Latency, latency
from vitrine.retrieval.vectors import Embedded, embedded
from vitrine.settings import Evaluate, Pictures
from vitrine.telemetry import progress

logger = logging.getLogger(__name__)

Intervals = Mapping[str, tuple[float, float]]

ALWAYS_AT = (1, 5)
"""Lengths at which answers are judged whatever else is asked for."""
LEAST_FOR_INTERVAL = 5
"""Products, of all queries or of those of a class, below which an interval would say nothing."""
TIMED_K = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that takes part; a `served` collection of it brings the vectors of the gallery, and an index."""

    name: str
    embedder: Embedder
    notice: str = ""
    served: Served | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """What a model reached by one label column: overall and by class, with intervals of 95 %."""

    judged: Judged
    intervals: Intervals
    by_class: Mapping[int, Intervals]


@dataclass(frozen=True, slots=True)
class Speed:
    """Embedding one query and searching with it, apart; `index_recall` where an index is searched."""

    embed: Latency
    search: Latency
    index_recall: float | None


@dataclass(frozen=True, slots=True)
class Contender:
    """A model and all that was found of it; mistakes and robustness are by the first label column."""

    name: str
    model_id: str
    runs_on: str
    notice: str
    scores: Mapping[str, Score]
    unusable: Mapping[str, int]
    speed: Speed
    mistakes: tuple[Mistake, ...]
    robustness: Robustness | None


def contend(entry: Entry, arena: Arena, wanted: Evaluate, limits: Pictures) -> Contender:
    """Judge one model in the arena.

    Raises:
        BadInput: it could embed no query that has an answer, or no answer.
    """
    started_s = time.monotonic()
    bout = Bout(arena, _embedded(entry, arena.queries, "queries"), _gallery(entry, arena))
    unusable = Counter(bout.queries.unusable) + Counter(bout.gallery.unusable)
    _check(entry.name, bout, unusable)
    first = next(iter(arena.classes))
    found = Contender(
        name=entry.name,
        model_id=entry.embedder.model_id,
        runs_on=entry.embedder.runs_on,
        notice=entry.notice,
        scores=_scores(bout, wanted),
        unusable=unusable,
        speed=_speed(entry, bout),
        mistakes=mistakes(bout, first),
        robustness=robustness(entry.embedder, bout, first, most=wanted.robust, seed=wanted.seed, limits=limits),
    )
    logger.info("judged model=%s seconds=%.0f", entry.name, time.monotonic() - started_s)
    return found


def _gallery(entry: Entry, arena: Arena) -> Embedded:
    if entry.served:
        return Embedded(entry.served.vectors, np.arange(len(entry.served.vectors)))
    return _embedded(entry, arena.gallery, "gallery")


def _embedded(entry: Entry, side: Side, what: str) -> Embedded:
    with progress(f"{entry.name} {what}", len(side), "pictures") as shown:
        return embedded(entry.embedder, side.pictures(), shown)


def _check(name: str, bout: Bout, unusable: Mapping[str, int]) -> None:
    for column in bout.arena.classes:
        if not bout.answerable(column).any():
            told = counted(unusable)
            raise BadInput(
                f"{name} has no vectors of a query and of its answer by {column} (unusable pictures: {told})"
            )


def _scores(bout: Bout, wanted: Evaluate) -> dict[str, Score]:
    """The gallery is ranked once for all columns by which the same of it is searched."""
    judged: dict[str, Judged] = {}
    for of_product in (False, True):
        columns = [column for column in bout.arena.classes if is_product(column) == of_product]
        if columns:
            judged |= matching.judge(
                bout.queries.vectors,
                bout.gallery.vectors,
                {column: bout.labels(column) for column in columns},
                ks=sorted({*ALWAYS_AT, *wanted.k}),
                own=bout.own(columns[0]),
            )
    products = bout.arena.queries.products
    return {
        column: _score(_with_misses(judged[column], bout, column), products, wanted) for column in bout.arena.classes
    }


def _with_misses(judged: Judged, bout: Bout, column: str) -> Judged:
    """By places in the arena: a query that has an answer there, but no vector of it or of itself, has found nothing."""
    arena, asked = bout.arena, bout.queries.places[judged.asked]
    missed = np.setdiff1d(np.flatnonzero(matching.answerable(arena.labels(column), arena.own(column))), asked)
    figures = {name: np.append(values, np.zeros(len(missed))) for name, values in judged.figures.items()}
    places = np.append(asked, missed)
    return Judged(figures, places, arena.labels(column)[0][places], len(arena.queries) - len(places))


def _score(judged: Judged, products: Numbers, wanted: Evaluate) -> Score:
    """All queries of a product are drawn together: its pictures are alike, and say little more than one of them."""

    def intervals(rows: Numbers) -> Intervals:
        drawn, groups = np.unique(products[judged.asked[rows]], return_inverse=True)
        if not wanted.resamples or len(drawn) < LEAST_FOR_INTERVAL:
            return {}
        values = {name: figures[rows] for name, figures in judged.figures.items()}
        return ranking.interval(values, groups, resamples=wanted.resamples, seed=wanted.seed)

    by_class = {int(label): intervals(np.flatnonzero(judged.labels == label)) for label in np.unique(judged.labels)}
    return Score(judged, intervals(np.arange(len(judged.labels))), by_class)


def _speed(entry: Entry, bout: Bout) -> Speed:
    """Searching is exact where there is no index."""
    pictures = bout.arena.queries.pictures()
    embed = latency(lambda one: list(entry.embedder.embed([one])), pictures)
    vectors = bout.queries.vectors
    if entry.served:
        search = latency(entry.served.search, vectors)
        return Speed(embed, search, entry.served.index_recall(vectors))
    search = latency(lambda one: exact_neighbours(one[np.newaxis], bout.gallery.vectors, TIMED_K), vectors)
    return Speed(embed, search, None)
