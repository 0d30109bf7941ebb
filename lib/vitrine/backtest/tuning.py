"""Fitting to a clickstream: what is best on its last days before the test serves afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as fn

from vitrine.backtest import clickstream
from vitrine.backtest.clickstream import Stage
from vitrine.backtest.comparison import Knobs, Trial, gain
from vitrine.backtest.fitting import Grid, fit, fit_weights
from vitrine.backtest.learning import learn_by_user
from vitrine.settings.evaluate import Evaluate
from vitrine.settings.recommend import Recommend


@dataclass(frozen=True, slots=True)
class Fitted:
    """The best knobs of each measure and weights of event types, and the NDCG@10 they reach on the validation days."""

    knobs: Mapping[str, Knobs]
    types: Mapping[str, float]
    gains: Mapping[str, float]


def tune(
    events: DataFrame, wanted: Evaluate, counting: Recommend, measures: Sequence[str], start: Knobs, *, stage: Stage
) -> Fitted:
    """Fit to the new items that sessions of the last `wanted.test_days` of cleaned, usable events came to next.

    First the weights of event types for the first of `measures`, then the knobs of each.

    Raises:
        BadInput: the events span no longer than those days.
    """
    cut = clickstream.later(events, days=wanted.test_days)
    train = stage(cut.train, "fitted")
    known = clickstream.items(train)
    cases = clickstream.next_items(cut.test, known, most=wanted.cases, seed=wanted.seed, repeats=False)
    trial = Trial("", cases)

    def judged(types: Mapping[str, float]) -> float:
        trained = learn_by_user(weighted(train, types), known, counting, measures[:1])
        found = gain(trial, trained, measures[0], start)
        trained.release()
        return found

    present = {row["event_type"] for row in train.select("event_type").distinct().collect()}  # as many as types
    mine = {name: weight for name, weight in counting.types.items() if name in present}
    types = {**counting.types, **(fit_weights(mine, judged) if len(mine) > 1 else {})}
    trained = learn_by_user(weighted(train, types), known, counting, measures)
    grid = Grid(wanted.shrinkages, wanted.decays)
    knobs = {measure: fit(trial, trained, measure, start, grid) for measure in measures}
    gains = {measure: gain(trial, trained, measure, used) for measure, used in knobs.items()}
    trained.release()
    return Fitted(knobs, types, gains)


def weighted(events: DataFrame, types: Mapping[str, float]) -> DataFrame:
    """The events with the weights that their types have in `types`."""
    weights = fn.create_map(*(fn.lit(part) for pair in types.items() for part in pair))
    return events.withColumn("weight", weights[fn.col("event_type")])
