"""Reindex: a Parquet catalogue in, a searchable Milvus collection out.

Reads   the catalogue (--catalog), the feature store, the collection that the alias serves now.
Writes  a new collection and its ledger, vectors into the feature store, thumbnails (--thumbnails.uri), the state of
        the run and Spark's messages (spark.log) below --work, report.json and report.html; at last it moves the alias.
Again   may be run twice: the same --run goes on where that run stopped, and a finished one is not done again;
        another makes a new collection and embeds only pictures that the feature store does not hold. Two at once
        for one --run or one alias: the second is refused.
Run     python jobs/reindex.py --catalog products.parquet --milvus.uri vitrine.db
        spark-submit jobs/reindex.py --catalog s3://shop/products/ --milvus.uri http://milvus:19530 --work s3://shop/vitrine
"""

import functools
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from vitrine import account, canaries, catalog, flags, gallery, spark, staging, summary, unreachable
from vitrine import run as runs
from vitrine.account import Account
from vitrine.embedding import Embedder
from vitrine.errors import BadInput, Unavailable, VitrineError
from vitrine.gallery import Answer
from vitrine.index import bulk, changeover, collections, gates, ledger, load
from vitrine.index.calibrating import calibrate
from vitrine.index.calibration import Calibration
from vitrine.index.collections import Collection, Facts
from vitrine.index.ledger import LedgerRow
from vitrine.index.store import Store, connect
from vitrine.manifest import Manifest
from vitrine.preparation import Job, begin, check, unit_job, write_known
from vitrine.retry import again
from vitrine.settings import Settings
from vitrine.summary import Report
from vitrine.telemetry import configure_logging, progress
from vitrine.unit import run_unit_text

logger = logging.getLogger("vitrine.reindex")

SAMPLED_QUERIES = 1_000
ATTEMPTS = 3
IMPORTS = "imports"


@dataclass(frozen=True, slots=True)
class Staged:
    """What is ready to be loaded: manifests, counts, files of finished rows, rows of the ledger, measured cosines."""

    plan: catalog.Plan
    done: list[Manifest]
    counts: Account
    files: list[str]
    exceptions: list[LedgerRow]
    calibration: Calibration | None


@dataclass(frozen=True, slots=True)
class Built:
    """A collection that passed its gates, its recall@10 (None if that gate was skipped), and answers it gives."""

    collection: Collection
    recall: float | None
    found: Sequence[Answer]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job from a command line; returns the exit code."""
    configure_logging()
    given = sys.argv[1:] if arguments is None else arguments
    return flags.exit_code(lambda: reindex(flags.load(given, program="reindex.py", story=__doc__ or "")))


def reindex(settings: Settings, *, make_embedder: Callable[[], Embedder] | None = None) -> Report:
    """Do the whole job; `make_embedder` stands in for the engine of the settings and is sent to the executors."""
    model = check(settings)
    with runs.opened(settings, model.spec.model_id, now=datetime.now(UTC)) as (run, confirm):
        job = begin(settings, run, model, make_embedder=make_embedder, confirm=confirm)
        with spark.session(f"vitrine reindex {run.name}", settings.spark, log=run.log) as session:
            plan = make_plan(job, session)
            if (earlier := summary.finished_before(run, settings.milvus)) is not None:
                return earlier
            changeover.refuse_overtaken(settings.milvus, run.name, run.started_us)
            done = embed(job, session, plan)
        with again(lambda: connect(settings.milvus), patience_s=settings.milvus.patience) as store:
            staged = again(lambda: stage(job, store, plan, done), patience_s=settings.milvus.patience)
            built = build(job, store, staged)
            keep(job, staged)
            retired = swap(job, store, built.collection)
        return tell(job, staged, built, retired)


def make_plan(job: Job, session: SparkSession) -> catalog.Plan:
    """Read the catalogue's keys and cut it into units; list the pictures that the feature store holds."""
    with job.phases.phase("plan"):
        with connect(job.settings.milvus) as store:
            deleted = changeover.deleted(store, collections.current(store, job.run.alias))
        sources = spark.as_parquet(session, job.settings.catalog, job.run.file(runs.EXPORTED))
        settings = job.settings.model_copy(update={"catalog": sources})
        plan = runs.settled_plan(job.run, catalog.plan(settings, slots=spark.slots(session), deleted=deleted))
        known = write_known(job)
    counts = (plan.catalog_rows, len(plan.units), known, len(job.features.set_aside))
    logger.info("planned rows=%d units=%d known_pictures=%d bad_parts=%d", *counts)
    return plan


def embed(job: Job, session: SparkSession, plan: catalog.Plan) -> list[Manifest]:
    """Run the units that are not done yet on the executors; returns the manifests of all."""
    run = job.run
    finished = runs.finished_units(run)
    units = [unit.unit_id for unit in plan.units if unit.unit_id not in finished]
    work = functools.partial(run_unit_text, job=unit_job(job, plan), make_embedder=job.make_embedder)
    rows = {unit.unit_id: unit.rows for unit in plan.units}
    with job.phases.phase("embed"), progress("embed", plan.catalog_rows, "rows") as shown:

        def show() -> None:
            shown.update(sum(rows[unit_id] for unit_id in runs.finished_units(run)))

        spark.run_units(session, units, work, meanwhile=show)
        shown.update(plan.catalog_rows)
    return runs.manifests(run)


def stage(job: Job, store: Store, plan: catalog.Plan, done: list[Manifest]) -> Staged:
    """Give rows without a vector the one that is stored or served, settle the account, check what is to be loaded."""
    run = job.run
    with job.phases.phase("reuse"):
        files = [run.rows_file(manifest.rows_file) for manifest in done if manifest.rows_file]
        files += staging.join_hits(run, done, job.features)
        served = collections.current(store, run.alias)
        if served and served.facts.model_id == run.model_id:
            done, kept = unreachable.keep_served(run, done, store, served.name)
            files += kept
        counts = account.settle(run, done, plan.catalog_rows, max_reject_ratio=job.settings.max_reject_ratio)
        exceptions = staging.ledger_rows(run, done, ledger.read(store, served.ledger) if served else ())
    if not files:
        raise BadInput("no picture of the catalogue can be used: the alias stays where it is")
    if gates.UNIQUE not in job.settings.gates.skip:
        gates.unique(files)
    with job.phases.phase("calibrate"):
        calibration = calibrate(files)
    return Staged(plan, done, counts, files, exceptions, calibration)


def build(job: Job, store: Store, staged: Staged) -> Built:
    """Make, fill and check a new collection; if the database goes away meanwhile, wait for it and make another."""
    run = job.run
    for left in reversed(range(ATTEMPTS)):
        made = again(lambda: create(job, store, staged), patience_s=job.settings.milvus.patience)
        try:
            fill(job, store, made, staged)
            recall = pass_gates(job, store, made, staged)
            return Built(made, recall, gallery.answers(store, made.name, staged.files, SAMPLED_QUERIES))
        except BaseException as error:
            if bulk.still_running(job.settings.milvus, run.place.within(IMPORTS)):
                logger.warning("left behind collection=%s: import jobs still run, a later run drops it", made.name)
            elif not isinstance(error, Unavailable):
                collections.abandon(store, made)
            if not (left and isinstance(error, VitrineError) and error.retriable):
                raise
            logger.warning("%s: loading again, into another collection", error)
    raise AssertionError


def create(job: Job, store: Store, staged: Staged) -> Collection:
    """Clear away what earlier attempts of the run began, and make an empty collection under a name of its own."""
    run = job.run
    bulk.outwait(job.settings.milvus, run.place.within(IMPORTS))
    for name in collections.drop_attempts(store, run.alias, run.name):
        logger.info("dropped collection=%s of an earlier attempt", name)
    facts = Facts(run.alias, run.name, run.model_id, job.dim, run.as_of, calibration=staged.calibration)
    return collections.create(store, facts, attempt=1 + job.phases.begun("load"))


def fill(job: Job, store: Store, made: Collection, staged: Staged) -> None:
    """Load rows and ledger, build the index, and wait until searches go through it."""
    milvus = job.settings.milvus
    with job.phases.phase("load", collection=made.name), progress("load", staged.counts.loaded, "rows") as shown:
        ledger.write(store, made.ledger, staged.exceptions)
        if job.way.by == "import":
            imports = job.run.place.within(IMPORTS)
            bulk.import_rows(milvus, made.name, staged.files, journal=imports, progress=shown.advance)
        else:
            load.load_rows(store, made.name, staged.files, insert_bytes=milvus.insert_bytes, progress=shown.advance)
    with job.phases.phase("index"):
        load.finish(store, made.ledger)
        load.finish(store, made.name)


def pass_gates(job: Job, store: Store, made: Collection, staged: Staged) -> float | None:
    """Pass the gates, but for those that the settings skip; returns recall@10, None if that gate is skipped."""
    wanted = job.settings.gates
    recall = None
    with job.phases.phase("gates"):
        if gates.COUNT not in wanted.skip:
            gates.count(store, made.name, staged.counts.loaded)
            gates.count(store, made.ledger, len(staged.exceptions))
        if gates.RECALL not in wanted.skip:
            recall = gates.recall(store, made.name, staged.files, threshold=wanted.recall, sample=wanted.recall_sample)
        if gates.CANARIES not in wanted.skip:
            drawn = canaries.Drawing(job.run, staged.done, wanted.canaries)
            known = drawn.embedded_again(staged.plan, job.settings.pictures, job.make_embedder)
            gates.canaries(store, made.name, known or drawn.stored(job.features))
    return recall


def keep(job: Job, staged: Staged) -> None:
    """Keep the new vectors, and what no decoder takes, for later runs: only now are they known to be good."""
    with job.phases.phase("keep"):
        staging.keep_features(job.run, staged.done, job.features, job.dim)
        staging.keep_refused(job.run, staged.done, job.refused)
        job.features.compact()


def swap(job: Job, store: Store, made: Collection) -> list[str]:
    """Serve the new collection and drop those that are too old; returns the names of what was dropped."""
    alias, milvus = job.run.alias, job.settings.milvus
    with job.phases.phase("swap", collection=made.name, previous=made.facts.previous):
        job.confirm()
        again(lambda: collections.swap(store, alias, made.name), patience_s=milvus.patience)
        return again(lambda: collections.retire(store, alias, milvus.keep), patience_s=milvus.patience)


def tell(job: Job, staged: Staged, built: Built, retired: list[str]) -> Report:
    """Write the report and note that the run is finished."""
    run, plan, done, found = job.run, staged.plan, staged.done, built.found
    report = summary.report(
        run,
        built.collection,
        plan,
        done,
        staged.counts,
        seconds=job.phases.seconds(),
        found=found,
        recall=built.recall,
        retired=retired,
        load=str(job.way),
    )
    page = summary.shown(report, run, plan, done, found, limits=job.settings.pictures, notice=job.notice)
    logger.info("%s report=%s", report.line(), summary.write(job.place_of_report, page, report))
    runs.note_finished(run, report.values())
    return report


if __name__ == "__main__":
    sys.exit(main())
