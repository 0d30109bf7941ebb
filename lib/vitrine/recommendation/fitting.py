"""Settings that are fitted to the events themselves."""

import logging

from pyspark.sql import DataFrame

from vitrine.backtest import clickstream
from vitrine.backtest.comparison import Knobs
from vitrine.backtest.tuning import tune, weighted
from vitrine.recommendation.begun import Begun
from vitrine.settings import Settings
from vitrine.spark import results

logger = logging.getLogger(__name__)

FITTED = {"shrinkage", "user_decay", "types"}
_ASIDE = ".aside-tune"


def fitted(settings: Settings, run: Begun, events: DataFrame) -> tuple[Settings, DataFrame]:
    """The settings with the shrinkage, decay and weights of event types that do best, and events with those weights.

    They are fitted for the first measure, to what sessions of the last `evaluate.test_days` came to next.

    Raises:
        BadInput: the events span no longer than those days.
    """
    wanted, measure = settings.recommend, settings.recommend.measure[0]
    usable = clickstream.usable(events, min_support=settings.evaluate.min_support)

    def stage(frame: DataFrame, name: str) -> DataFrame:
        return results.staged(frame, run.within(f"{_ASIDE}/{name}"))

    start = Knobs(wanted.shrinkage, wanted.user_decay)
    found = tune(stage(usable, "usable"), settings.evaluate, wanted, [measure], start, stage=stage)
    results.drop(run.within(_ASIDE))
    knobs = found.knobs[measure]
    best = {"shrinkage": knobs.shrinkage, "user_decay": knobs.decay, "types": dict(found.types)}
    logger.info(
        "fitted %s ndcg@10=%.4f", " ".join(f"{name}={value}" for name, value in best.items()), found.gains[measure]
    )
    return settings.model_copy(update={"recommend": wanted.model_copy(update=best)}), weighted(events, found.types)
