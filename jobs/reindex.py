"""Reindex: a Parquet catalogue in, a searchable Milvus collection out.

Reads   the catalogue (--catalog), the feature store, the collection that the alias serves now.
Writes  a new collection and its ledger, vectors into the feature store, the state of the run and Spark's messages
        (spark.log) below --work, report.json and report.html; at the end it moves the alias.
Again   may be run twice: the same --run goes on where that run stopped, and a finished one is not done again;
        another makes a new collection and embeds only pictures that the feature store does not hold.
Run     python jobs/reindex.py --catalog products.parquet --milvus.uri vitrine.db
        spark-submit jobs/reindex.py --catalog s3://shop/products/ --milvus.uri http://milvus:19530 --work s3://shop/vitrine
"""

import functools
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from vitrine import account, canaries, catalog, fetch, flags, gallery, refused, spark, staging, unreachable
from vitrine import run as runs
from vitrine.account import Account, Report
from vitrine.embedding import Embedder
from vitrine.errors import BadInput
from vitrine.features import FeatureStore
from vitrine.index import collections, gates, ledger, load
from vitrine.index.collections import Collection, Facts
from vitrine.index.ledger import LedgerRow
from vitrine.index.store import Store, connect
from vitrine.intake import UnitJob
from vitrine.manifest import Manifest
from vitrine.run import Run
from vitrine.settings import Settings
from vitrine.storage import Directory, require_writable
from vitrine.telemetry import Stages, configure_logging, progress
from vitrine.unit import KNOWN_HASHES, REFUSED, run_unit_text, task_engine
from vitrine.vision.request import EngineRequest

logger = logging.getLogger("vitrine.reindex")

SAMPLED_QUERIES = 1_000


@dataclass(frozen=True, slots=True)
class Job:
    """What every step of one run needs."""

    settings: Settings
    run: Run
    dim: int
    notice: str
    deleted: Mapping[str, int]
    make_embedder: Callable[[], Embedder]
    features: FeatureStore
    refused: Directory
    stages: Stages
    place_of_report: Directory


@dataclass(frozen=True, slots=True)
class Staged:
    """What is ready to be loaded: manifests and counts of all units, files of finished rows, rows of the ledger."""

    plan: catalog.Plan
    done: list[Manifest]
    counts: Account
    files: list[str]
    exceptions: list[LedgerRow]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job from a command line; returns the exit code."""
    configure_logging()
    given = sys.argv[1:] if arguments is None else arguments
    return flags.exit_code(lambda: reindex(flags.load(given, program="reindex.py", story=__doc__ or "")))


def reindex(settings: Settings, *, make_embedder: Callable[[], Embedder] | None = None) -> Report:
    """Do the whole job; `make_embedder` stands in for the engine of the settings and is sent to the executors."""
    job = begin(settings, make_embedder)
    run = job.run
    with spark.session(f"vitrine reindex {run.name}", settings.spark, log=run.log) as session:
        plan = make_plan(job, session)
        if (earlier := finished_before(job)) is not None:
            return earlier
        done = embed(job, session, plan)
    with connect(settings.milvus) as store:
        staged = stage(job, store, plan, done)
        made = collections.create(store, Facts(run.alias, run.name, run.model_id, job.dim, run.as_of))
        try:
            fill(job, store, made, staged)
            recall = check(job, store, made, staged)
            found = gallery.answers(store, made.name, staged.files, SAMPLED_QUERIES)
            staging.keep_features(run, done, job.features, job.dim)
            staging.keep_refused(run, done, job.refused)
        except BaseException:
            collections.abandon(store, made)
            raise
        collections.swap(store, run.alias, made.name)
        retired = collections.retire(store, run.alias, settings.milvus.keep)
    report = account.report(
        run, made, plan, staged.done, staged.counts, stages=job.stages, found=found, recall=recall, retired=retired
    )
    page = account.shown(report, run, plan, staged.done, found, limits=settings.pictures, notice=job.notice)
    logger.info("%s report=%s", report.line(), account.write(job.place_of_report, page, report))
    runs.note_finished(run, report.values())
    return report


def begin(settings: Settings, make_embedder: Callable[[], Embedder] | None) -> Job:
    """Check what can be checked before any work, and open the run."""
    from vitrine.vision import model_store, weights

    fetch.check_prefixes(settings.pictures.prefixes)
    files = [source for source in settings.catalog if not spark.is_table(source)]
    if files or not settings.catalog:
        catalog.find(files)
    model = weights.resolve(settings.model)
    if model.notice:
        logger.warning(model.notice)
    deleted = check_alias(settings, model.spec.model_id)
    run = runs.open_run(settings, model.spec.model_id, now=datetime.now(UTC))
    logger.info("run %s in %s: after an interruption the same --run goes on", run.name, run.uri)
    models = runs.anywhere(settings.model_store_uri)
    require_writable(settings.features_uri, "features.uri")
    require_writable(models, "model.store")
    place_of_report = require_writable(settings.report or run.file("report"), "report")
    model_store.publish(model, models)
    request = EngineRequest(model.spec, settings.model, settings.pictures, models, settings.model.device)
    features = FeatureStore(settings.features_uri, run.model_id, model.spec.dim)
    undecodable = refused.place(settings.features_uri, run.model_id)
    make = make_embedder or functools.partial(task_engine, request)
    return Job(
        settings, run, model.spec.dim, model.notice, deleted, make, features, undecodable, Stages(), place_of_report
    )


def finished_before(job: Job) -> Report | None:
    """The report of a run that is finished, unless what it made is gone: then it is loaded again."""
    if (values := runs.report_of(job.run)) is None:
        return None
    report = Report(**values)
    with connect(job.settings.milvus) as store:
        if report.collection not in store.collections():
            return None
        served = store.resolve(report.alias)
    if served != report.collection:
        raise BadInput(f"run {report.run} is finished, but {report.alias} serves {served}: give another --run")
    logger.warning("run %s is finished and made %s: give another --run", report.run, report.collection)
    return report


def check_alias(settings: Settings, model_id: str) -> Mapping[str, int]:
    """Refuse an alias of another model unless that is wanted; returns deleted products with their versions."""
    alias = settings.milvus.alias
    with connect(settings.milvus) as store:
        served = collections.current(store, alias)
        if served is None:
            return {}
        if served.facts.model_id != model_id and not settings.model.change:
            raise BadInput(
                f"alias {alias} serves {served.name} of model {served.facts.model_id}, this run has model "
                f"{model_id}: name the weights of that model, or pass --model.change=true to change over"
            )
        return {row.product_id: row.version for row in ledger.read(store, served.ledger) if row.deleted}


def make_plan(job: Job, session: SparkSession) -> catalog.Plan:
    """Read the catalogue's keys and cut it into units; list the pictures that the feature store holds."""
    with job.stages.stage("plan"):
        sources = spark.as_parquet(session, job.settings.catalog, job.run.file(runs.EXPORTED))
        settings = job.settings.model_copy(update={"catalog": sources})
        plan = runs.settled_plan(job.run, catalog.plan(settings, slots=spark.slots(session), deleted=job.deleted))
        refused.add(job.run.place.within(REFUSED), refused.read(job.refused))
        known = job.features.write_known_hashes(job.run.place, KNOWN_HASHES)
    logger.info("planned rows=%d units=%d known_pictures=%d", plan.catalog_rows, len(plan.units), known)
    return plan


def embed(job: Job, session: SparkSession, plan: catalog.Plan) -> list[Manifest]:
    """Run the units that are not done yet on the executors; returns the manifests of all."""
    run = job.run
    finished = runs.finished_units(run)
    units = [json.dumps(asdict(unit)) for unit in plan.units if unit.unit_id not in finished]
    shared = UnitJob(run.uri, plan.columns, job.settings.pictures, job.dim, run.as_of_us, run.started_us)
    work = functools.partial(run_unit_text, job=shared, make_embedder=job.make_embedder)
    rows = {unit.unit_id: unit.rows for unit in plan.units}
    with job.stages.stage("embed"), progress("embed", plan.catalog_rows, "rows") as shown:

        def show() -> None:
            shown.update(sum(rows[unit_id] for unit_id in runs.finished_units(run)))

        spark.run_units(session, units, work, meanwhile=show)
        shown.update(plan.catalog_rows)
    return runs.manifests(run)


def stage(job: Job, store: Store, plan: catalog.Plan, done: list[Manifest]) -> Staged:
    """Give rows without a vector the one that is stored or served, settle the account, check what is to be loaded."""
    run = job.run
    with job.stages.stage("reuse"):
        files = [run.file(manifest.rows_file) for manifest in done if manifest.rows_file]
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
    return Staged(plan, done, counts, files, exceptions)


def fill(job: Job, store: Store, made: Collection, staged: Staged) -> None:
    """Load rows and ledger, build the index, and wait until searches go through it."""
    size_bytes = job.settings.milvus.insert_bytes
    with job.stages.stage("load"), progress("load", staged.counts.loaded, "rows") as shown:
        ledger.write(store, made.ledger, staged.exceptions)
        load.load_rows(store, made.name, staged.files, insert_bytes=size_bytes, progress=shown.advance)
    with job.stages.stage("index"):
        load.finish(store, made.ledger)
        load.finish(store, made.name)


def check(job: Job, store: Store, made: Collection, staged: Staged) -> float | None:
    """Pass the gates, but for those that the settings skip; returns recall@10, None if that gate is skipped."""
    wanted = job.settings.gates
    recall = None
    with job.stages.stage("gates"):
        if gates.COUNT not in wanted.skip:
            gates.count(store, made.name, staged.counts.loaded)
        if gates.RECALL not in wanted.skip:
            recall = gates.recall(store, made.name, staged.files, threshold=wanted.recall, sample=wanted.recall_sample)
        if gates.CANARIES not in wanted.skip:
            drawn = canaries.Drawing(job.run, staged.done, wanted.canaries)
            known = drawn.embedded_again(staged.plan, job.settings.pictures, job.make_embedder)
            gates.canaries(store, made.name, known or drawn.stored(job.features))
    return recall


if __name__ == "__main__":
    sys.exit(main())
