"""The protocols from end to end: a file or events in, the figures of each measure out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
from pyspark.sql import DataFrame, SparkSession

from vitrine.backtest import clickstream, comparison, ratings, sequences, tuning
from vitrine.backtest.clickstream import Stage
from vitrine.backtest.comparison import Knobs, Row, Trained, Trial
from vitrine.backtest.fitting import Grid, fit
from vitrine.backtest.items import distinct
from vitrine.backtest.learning import events_of, learn, learn_by_user
from vitrine.cooccurrence.pairs import PairLimits
from vitrine.settings.evaluate import Evaluate
from vitrine.settings.recommend import Recommend
from vitrine.telemetry import progress

WHOLE = PairLimits(session_events=None, gap=10, window_s=None)
"""All pairs of a history count, those at most 10 places apart by their gap (knowledge: recommendations.md, 2.7)."""

NEW = "new"
"""Names the table of new items only, beside that with repeats in."""


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one table; `name` tells several of a run apart, and is empty for the first or only one."""

    name: str
    title: str
    aside: str
    rows: tuple[Row, ...]


def of_ratings(spark: SparkSession, path: str, measures: Sequence[str], wanted: Evaluate, start: Knobs) -> Result:
    """Ratings, a quarter of each user's or item's held back; lists are not filled by popularity, as SAR's are not.

    Raises:
        BadInput: as `ratings.read`, or no user is in both parts.
    """
    rated = ratings.read(path)
    by: Literal["user", "item"] = "item" if wanted.split == "item" else "user"
    train = ratings.in_train(rated, by, seed=wanted.seed)
    users, products = rated.users.take(rated.user[train]), rated.items.take(rated.item[train])
    known = distinct(products)
    cases = ratings.cases(rated, train, known)
    trained = learn(events_of(spark, users, products, rated.timestamp[train]), known, WHOLE, measures)
    aside = f"{len(cases):,} users, {len(known):,} items; split by {by}, seed {wanted.seed}"
    result = _judged(
        Trial("", cases, filled=False), trained, dict.fromkeys(measures, start), wanted, title="Ratings", aside=aside
    )
    trained.release()
    return result


def of_sequences(
    spark: SparkSession, path: str, measures: Sequence[str], wanted: Evaluate, start: Knobs, *, name: str
) -> Result:
    """Leave-last-one: the last item of each user is the test, the one before it fits the knobs, neither is counted.

    Raises:
        BadInput: as `sequences.read`.
    """
    read = sequences.read(path)
    counted = read.left >= 2
    users, products = read.users.take(read.user[counted]), read.items.take(read.item[counted])
    trained = learn(
        events_of(spark, users, products, -read.left[counted].astype(np.float64)), read.items, WHOLE, measures
    )
    validation = Trial("", sequences.cases(read, held=1).drawn(wanted.cases, seed=wanted.seed))
    knobs = _fitted(validation, trained, measures, start, wanted)
    test = Trial(name, sequences.cases(read, held=0))
    aside = f"{len(test.cases):,} users, {len(read.items):,} items; leave-last-one, full ranking"
    title = PurePosixPath(path).stem
    result = _judged(test, trained, knobs, wanted, title=title, aside=aside)
    trained.release()
    return result


def of_events(
    events: DataFrame, measures: Sequence[str], wanted: Evaluate, counting: Recommend, start: Knobs, *, stage: Stage
) -> list[Result]:
    """Cleaned events: the next item of the last days' sessions, with repeats and new items only, or users' last item.

    Raises:
        BadInput: nothing is left to train on or to test.
    """
    if wanted.split == "last":
        return [_last_products(events, measures, wanted, counting, start, stage)]
    usable = clickstream.usable(events, min_support=wanted.min_support)
    cut = clickstream.later(stage(usable, "usable"), days=wanted.test_days)
    knobs = dict.fromkeys(measures, start)
    train, test = stage(cut.train, "train"), stage(cut.test, "test")
    if wanted.tune:
        fitted = tuning.tune(train, wanted, counting, measures, start, stage=stage)
        knobs, train = dict(fitted.knobs), tuning.weighted(train, fitted.types)
    known = clickstream.items(train)
    trained = learn_by_user(train, known, counting, measures)
    results = []
    for name, repeats in (("", True), (NEW, False)):
        cases = clickstream.next_items(test, known, most=wanted.cases, seed=wanted.seed, repeats=repeats)
        trial = Trial(name, cases, repeats=repeats)
        title = "Next item, repeats in" if repeats else "Next item, new items only"
        aside = f"{len(cases):,} events, {len(known):,} items; sessions of the last {wanted.test_days:g} days"
        results.append(_judged(trial, trained, knobs, wanted, title=title, aside=aside))
    trained.release()
    return results


def _last_products(
    events: DataFrame, measures: Sequence[str], wanted: Evaluate, counting: Recommend, start: Knobs, stage: Stage
) -> Result:
    held = clickstream.last_products(events, users=wanted.cases, seed=wanted.seed, stage=stage)
    trained = learn_by_user(held.train, held.sequences.items, counting, measures)
    knobs: Mapping[str, Knobs] = dict.fromkeys(measures, start)
    if wanted.tune:
        knobs = _fitted(Trial("", sequences.cases(held.sequences, held=1)), trained, measures, start, wanted)
    cases = sequences.cases(held.sequences, held=0)
    aside = f"{len(cases):,} users, {len(held.sequences.items):,} items; leave-last-one, full ranking"
    result = _judged(Trial("", cases), trained, knobs, wanted, title="Last product", aside=aside)
    trained.release()
    return result


def _fitted(
    trial: Trial, trained: Trained, measures: Sequence[str], start: Knobs, wanted: Evaluate
) -> dict[str, Knobs]:
    grid = Grid(wanted.shrinkages, wanted.decays)
    with progress("fit", len(measures), "measures") as shown:
        knobs = {}
        for measure in measures:
            knobs[measure] = fit(trial, trained, measure, start, grid)
            shown.advance()
    return knobs


def _judged(
    trial: Trial,
    trained: Trained,
    knobs: Mapping[str, Knobs],
    wanted: Evaluate,
    *,
    title: str,
    aside: str,
) -> Result:
    with progress(f"judge {title}", len(knobs), "measures") as shown:
        rows = []
        for measure, used in knobs.items():
            rows.append(
                comparison.row(trial, trained, measure, used, ks=wanted.k, resamples=wanted.resamples, seed=wanted.seed)
            )
            shown.advance()
    return Result(trial.name, title, aside, tuple(rows))
