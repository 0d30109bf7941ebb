"""Recommend: a clickstream in, related products and users' lists out.

Reads   the events (--events), the catalogue if one is given (--catalog: other products are left out), and for tastes
        the collection of products that serves now. Users' ids need VITRINE_USER_KEY, and leave as keyed hashes only.
Writes  related_items, user_items and taste as Parquet, report.json, report.html and Spark's messages (spark.log) below
        --output/RUN; with --milvus_load new collections, and moves their aliases. report.json is written last.
Again   the same --run, events and settings give the same rows in the same order, to the last bit, and new collections.
        Two at once for one --run: the second is refused.
Run     python jobs/recommend.py --events clicks.parquet --run monday
        python jobs/recommend.py --events invoices.csv --columns.session=invoice --columns.type= --types.purchase=1
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as fn

from vitrine import flags, recommendation, spark, user_key
from vitrine.cooccurrence import active, cleaning, measures, pairs, reading, related, sessions, users
from vitrine.cooccurrence.cleaning import Account
from vitrine.cooccurrence.examples import examples
from vitrine.cooccurrence.pairs import Counted, PairLimits, PairWeights
from vitrine.recommendation import Begun, Report
from vitrine.report import TopList
from vitrine.settings import Settings
from vitrine.spark import results
from vitrine.spark.results import Written
from vitrine.storage import require_writable
from vitrine.telemetry import Stages, configure_logging, peak_memory_bytes

logger = logging.getLogger("vitrine.recommend")

JUDGED, EVENTS = ".aside-judged", ".aside-events"
ROWS_PER_FILE = 2_000_000
USER_EVENTS = 500
"""Newest events of a user that make pairs for sar-* measures, since they grow with its square; Mahout's cap."""
SHOWN_LISTS, SHOWN_LENGTH = 20, 8


@dataclass(frozen=True, slots=True)
class Job:
    """What every step of one run needs; `hashed` makes keyed hashes of users' ids, None if the events have none."""

    settings: Settings
    run: Begun
    session: SparkSession
    hashed: Callable[[str], str] | None
    stages: Stages = field(default_factory=Stages)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The events that count, each with a session; the raw ones, for titles; and what became of those."""

    raw: DataFrame
    events: DataFrame
    account: Account
    newest: datetime
    capped: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Made:
    """What was written: lists by measure, users' lists, tastes; and the lists that people are shown."""

    related: Mapping[str, Written]
    items: Written | None
    tastes: int
    shown: tuple[TopList, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job from a command line; returns the exit code."""
    configure_logging()
    given = sys.argv[1:] if arguments is None else arguments
    return flags.exit_code(
        lambda: recommend(flags.load(given, program="recommend.py", story=__doc__ or "", home="recommend"))
    )


def recommend(settings: Settings) -> Report:
    """Do the whole job."""
    for name in settings.recommend.measure:
        measures.measure(name)
    hashed = user_key.read(os.environ).hashed if settings.recommend.columns.user else None
    with (
        recommendation.opened(settings, now=datetime.now(UTC)) as run,
        spark.session(f"vitrine recommend {run.name}", {**reading.SPARK, **settings.spark}, log=run.log) as session,
    ):
        logger.info("run %s in %s as of %s", run.name, run.uri, run.as_of)
        job = Job(settings, run, session, hashed)
        job, cleaned = fit(job, clean(job))
        counted = count(job, cleaned.events)
        made = rank(job, cleaned, counted)
        served = serve(job, made)
        return tell(job, cleaned, counted, made, served)


def clean(job: Job) -> Cleaned:
    """Read the events, refuse what cannot be used, account for every row, and find the sessions."""
    wanted, run = job.settings.recommend, job.run
    with job.stages.stage("clean"):
        raw = reading.read(job.session, wanted)
        judged = cleaning.judge(raw, wanted, as_of=run.as_of, hashed=job.hashed)
        kept = cleaning.mark_bots(results.staged(judged, run.within(JUDGED)), wanted)
        account = cleaning.account(kept, raw.count())
    logger.info("cleaned read=%d used=%d refused=%s", account.read, account.used, dict(account.refused))
    with job.stages.stage("sessions"):
        found = sessions.complete(cleaning.events(kept, wanted.types), wanted.session_gap_s)
        events = results.staged(found.sortWithinPartitions("user_id"), run.within(EVENTS))
        newest_us = events.agg(fn.max(fn.unix_micros("event_ts"))).collect()[0][0]  # one row
        newest = datetime.fromtimestamp(newest_us / 1e6, UTC)
        capped = sessions.over(events, wanted.session_events)
    return Cleaned(raw, events, account, newest, capped)


def fit(job: Job, cleaned: Cleaned) -> tuple[Job, Cleaned]:
    """With --tune, take shrinkage, decay and weights of event types from the events themselves."""
    if not job.settings.recommend.tune:
        return job, cleaned
    with job.stages.stage("tune"):
        settings, events = recommendation.fitted(job.settings, job.run, cleaned.events)
    return replace(job, settings=settings), replace(cleaned, events=events)


def count(job: Job, events: DataFrame) -> dict[bool, Counted]:
    """Count the pairs of sessions and, for measures that want them, those of users' whole histories (True)."""
    wanted = job.settings.recommend
    limits = PairLimits(wanted.session_events, wanted.pair_gap, wanted.pair_window_s, wanted.item_sessions)
    weights = PairWeights(half_life_days=wanted.pair_half_life_days)
    counted = {}
    with job.stages.stage("pairs"):
        counted[False] = pairs.count(events, limits, weights=weights, sums=measures.sums(wanted.measure))
        if any(measures.measure(name).of_users for name in wanted.measure):
            whole = PairLimits(USER_EVENTS, gap=None, window_s=None)
            counted[True] = pairs.count(pairs.of_users(events), whole, sums=())
    return counted


def rank(job: Job, cleaned: Cleaned, counted: Mapping[bool, Counted]) -> Made:
    """Write the lists of products and of users, and the tastes; the first measure is the one that serves."""
    wanted, first = job.settings.recommend, job.settings.recommend.measure[0]
    catalog = job.settings.catalog
    living = active.products(job.session, catalog, job.settings.columns.product_id) if catalog else None
    with job.stages.stage("related"):
        supports = counted[False].supports.select("product_id", "support")
        results.write(supports, job.run.within("supports"), "supports", key="product_id", order=["product_id"])
        lists = {name: relate(job, name, counted, living) for name in dict.fromkeys(wanted.measure)}
        serving = job.session.read.parquet(*lists[first].files)
        shown = recommendation.top_lists(examples(cleaned.raw, serving, n=SHOWN_LISTS, length=SHOWN_LENGTH))
    with job.stages.stage("users"):
        items = personal(job, cleaned, counted, serving, living)
    tastes = 0
    if wanted.taste:
        with job.stages.stage("taste"):
            tastes = recommendation.write_tastes(job.settings, job.run, job.run.within(EVENTS), newest=cleaned.newest)
    return Made(lists, items, tastes, shown)


def relate(job: Job, name: str, counted: Mapping[bool, Counted], living: DataFrame | None) -> Written:
    """The lists of one measure."""
    wanted, of = job.settings.recommend, counted[measures.measure(name).of_users]
    limits = {"n": wanted.top, "threshold": wanted.threshold}
    top = related.top(of, name, shrinkage=wanted.shrinkage, active=living, **limits)
    files = 1 + of.products * wanted.top // ROWS_PER_FILE
    placed, order = job.run.within("related_items"), ["product_id", "rank"]
    stamped = top.withColumn("as_of", fn.lit(job.run.as_of))
    return results.write(stamped, placed, name, key="product_id", order=order, files=files)


def personal(
    job: Job, cleaned: Cleaned, counted: Mapping[bool, Counted], serving: DataFrame, living: DataFrame | None
) -> Written | None:
    """The lists of the users that the settings choose; None where they choose none."""
    wanted, name = job.settings.recommend, job.settings.recommend.measure[0]
    if (chosen := choose(job, cleaned.events)) is None:
        return None
    theirs = users.of(cleaned.events, chosen)
    if measures.measure(name).of_users:
        affinity = users.affinities(theirs, half_life_days=wanted.half_life_days, as_of=cleaned.newest)
        similar = measures.similarities(counted[True], name, threshold=wanted.threshold, diagonal=True)
    else:
        affinity = users.recency(users.newest(theirs, wanted.user_events), decay=wanted.user_decay)
        similar = serving
    seen = theirs if wanted.remove_seen else None
    items = users.items(affinity, similar, measure=name, n=wanted.top, seen=seen, active=living)
    placed, order = job.run.within("user_items"), ["user_hash", "rank"]
    return results.write(items, placed, "user_items", key="user_hash", order=order)


def choose(job: Job, events: DataFrame) -> DataFrame | None:
    """user_id of those who get a list."""
    wanted = job.settings.recommend
    if wanted.users_file and job.hashed:
        rows = [(job.hashed(user),) for user in recommendation.lines(wanted.users_file)]
        return job.session.createDataFrame(rows, "user_id string")
    return users.recent(events, wanted.users) if wanted.users else None


def serve(job: Job, made: Made) -> list[str]:
    """Load what was made into new collections and move the aliases; returns their names."""
    wanted = job.settings.recommend
    if not wanted.milvus_load:
        return []
    with job.stages.stage("load"):
        return recommendation.publish(job.settings, job.run, related=made.related[wanted.measure[0]].files)


def tell(job: Job, cleaned: Cleaned, counted: Mapping[bool, Counted], made: Made, served: Sequence[str]) -> Report:
    """Write the report and remove what was kept for later steps."""
    wanted, of, run = job.settings.recommend, counted[False], job.run
    told = Report(
        run=run.name,
        as_of=run.as_of.isoformat(),
        events_read=cleaned.account.read,
        events_used=cleaned.account.used,
        events_refused=cleaned.account.refused,
        fitted=wanted.model_dump(include=recommendation.FITTED) if wanted.tune else {},
        sessions=of.sessions,
        products=of.products,
        pairs=of.pairs.where("product_id < related_id").count(),
        sessions_capped=cleaned.capped[0],
        events_capped=cleaned.capped[1],
        related_items={name: written.rows for name, written in made.related.items()},
        user_items=made.items.rows if made.items else 0,
        tastes=made.tastes,
        collections=served,
        seconds={name: round(value, 3) for name, value in job.stages.seconds().items()},
        peak_memory_bytes=peak_memory_bytes(),
    )
    for kept in (JUDGED, EVENTS):
        results.drop(run.within(kept))
    place = require_writable(job.settings.report, "report") if job.settings.report else run.place
    logger.info("%s report=%s", told.line(), recommendation.write(place, recommendation.page(told, made.shown), told))
    return told


if __name__ == "__main__":
    sys.exit(main())
