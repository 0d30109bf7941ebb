"""Evaluate: how well models find pictures, or how good recommendations would have been, side by side.

Reads   a labelled catalogue (--gallery, --queries) and the models of --models, or what milvus.alias serves
        (--collection, --queries); or, with --recommendations, one of ratings (--ratings), users' histories
        (--sequences), or the events of jobs/recommend.py (--events and its settings).
Writes  metrics.json, report.html and Spark's messages (spark.log) below --report, by default WORK/evaluations/RUN, and
        prints a table of the same figures.
Again   gives the same figures: all that is drawn is drawn by --seed.
Run     python jobs/evaluate.py --gallery products.parquet --label category
        python jobs/evaluate.py --collection --queries photos.parquet --label product_id category
        python jobs/evaluate.py --recommendations --ratings ratings.tsv --split user --measure sar-jaccard
        python jobs/evaluate.py --recommendations --sequences beauty.parquet
        python jobs/evaluate.py --recommendations --events clicks.parquet --tune
"""

import json
import logging
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath

from pyspark.sql import DataFrame, SparkSession

from vitrine import flags, report, spark, user_key
from vitrine.backtest import protocols, results
from vitrine.backtest.clickstream import Stage
from vitrine.backtest.comparison import POPULARITY, Knobs
from vitrine.backtest.protocols import Result
from vitrine.cooccurrence import cleaning, reading, sessions
from vitrine.cooccurrence.measures import DEFAULT, MEASURES
from vitrine.errors import BadSettings
from vitrine.run import anywhere
from vitrine.settings import Settings
from vitrine.spark.results import drop, staged
from vitrine.storage import Directory, require_writable
from vitrine.telemetry import configure_logging

logger = logging.getLogger("vitrine.evaluate")

ASIDE = ".aside"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job from a command line; returns the exit code."""
    configure_logging()
    given = sys.argv[1:] if arguments is None else arguments
    return flags.exit_code(
        lambda: evaluate(flags.load(given, program="evaluate.py", story=__doc__ or "", home="evaluate"))
    )


def evaluate(settings: Settings) -> None:
    """Do the whole job."""
    run = settings.run or f"{datetime.now(UTC):%Y%m%dt%H%M%S}"
    uri = anywhere(settings.report or settings.under_work("evaluations", run))
    if settings.evaluate.recommendations:
        recommendations(settings, run, uri)
    elif settings.evaluate.gallery or settings.evaluate.collection:
        from vitrine import retrieval  # loads torch

        sys.stdout.write(retrieval.evaluate(settings, run, uri))
    else:
        raise BadSettings("say what is to be evaluated: --recommendations, --gallery CATALOGUE, or --collection")


def recommendations(settings: Settings, run: str, uri: str) -> list[Result]:
    """Judge recommendations; returns the figures that it has written and printed."""
    measures = chosen(settings)
    place = require_writable(uri, "report")
    log = place.local / "spark.log" if place.local else None
    with spark.session(f"vitrine evaluate {run}", {**reading.SPARK, **settings.spark}, log=log) as session:
        found = judge(session, settings, measures, uri)
    tell(place, run, found, settings)
    return found


def chosen(settings: Settings) -> list[str]:
    """The measures to compare, the default one first and popularity last.

    Raises:
        BadSettings: there is nothing to evaluate, or no such measure.
    """
    wanted = settings.evaluate
    if not (wanted.ratings or wanted.sequences or settings.recommend.events):
        raise BadSettings("nothing to evaluate: give --ratings, --sequences or --events")
    known = [DEFAULT, *sorted(set(MEASURES) - {DEFAULT}), POPULARITY]
    if unknown := [name for name in wanted.measure if name not in known]:
        raise BadSettings(f"there is no measure {unknown[0]}: take of {', '.join(known)}")
    return [name for name in known if name in wanted.measure or not wanted.measure]


def judge(session: SparkSession, settings: Settings, measures: Sequence[str], uri: str) -> list[Result]:
    """Judge the measures by the protocol that the settings name; `uri` is where rows are kept meanwhile."""
    wanted = settings.evaluate
    start = Knobs(settings.recommend.shrinkage, wanted.decay)
    if wanted.ratings:
        return [protocols.of_ratings(session, wanted.ratings, measures, wanted, start)]
    if wanted.sequences:
        names = [PurePosixPath(path).stem if len(wanted.sequences) > 1 else "" for path in wanted.sequences]
        return [
            protocols.of_sequences(session, path, measures, wanted, start, name=name)
            for path, name in zip(wanted.sequences, names, strict=True)
        ]
    aside = f"{uri}/{ASIDE}"

    def stage(frame: DataFrame, name: str) -> DataFrame:
        return staged(frame, f"{aside}/{name}")

    try:
        events = cleaned(session, settings, stage)
        return protocols.of_events(events, measures, wanted, settings.recommend, start, stage=stage)
    finally:
        drop(aside)


def cleaned(session: SparkSession, settings: Settings, stage: Stage) -> DataFrame:
    """The events that count, each with a session, as jobs/recommend.py takes them."""
    wanted = settings.recommend
    hashed = user_key.read(os.environ).hashed if wanted.columns.user else None
    raw = reading.read(session, wanted)
    judged = cleaning.judge(raw, wanted, as_of=settings.as_of or datetime.now(UTC), hashed=hashed)
    kept = cleaning.mark_bots(stage(judged, "judged"), wanted)
    account = cleaning.account(kept, raw.count())
    logger.info("cleaned read=%d used=%d refused=%s", account.read, account.used, dict(account.refused))
    return stage(sessions.complete(cleaning.events(kept, wanted.types), wanted.session_gap_s), "events")


def tell(place: Directory, run: str, found: Sequence[Result], settings: Settings) -> None:
    """Write metrics.json and report.html, print the tables."""
    wanted = settings.evaluate
    facts = {
        "input": ", ".join([wanted.ratings] if wanted.ratings else wanted.sequences or settings.recommend.events),
        "seed": str(wanted.seed),
        "bootstrap samples": f"{wanted.resamples:,}",
    }
    figures = json.dumps(results.metrics(found), indent=2, allow_nan=False)
    place.write("metrics.json", f"{figures}\n".encode())
    page = report.render(results.page(run, found, facts, default=DEFAULT))
    place.write("report.html", page.encode("utf-8", "backslashreplace"))
    tables = [results.table(result, default=DEFAULT) for result in found]
    sys.stdout.write("\n".join([*tables, f"{place.path('report.html')}\n"]))


if __name__ == "__main__":
    sys.exit(main())
