"""Before the work of a reindex: what can be checked is checked, every place is proved to be writable."""

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vitrine import catalog, fetch, refused, spark
from vitrine.embedding import Embedder
from vitrine.features import FeatureStore
from vitrine.index import bulk, changeover
from vitrine.index.bulk import Way
from vitrine.index.store import connect
from vitrine.intake import UnitJob
from vitrine.phases import Phases
from vitrine.run import Run, anywhere
from vitrine.settings import Settings
from vitrine.storage import Directory, require_writable
from vitrine.thumbnails import Thumbnails
from vitrine.unit import KNOWN_HASHES, KNOWN_THUMBNAILS, REFUSED, task_engine
from vitrine.vision.request import EngineRequest

if TYPE_CHECKING:
    from vitrine.vision.weights import Weights

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """What every step of one run needs; `confirm` raises Unavailable if another process may work on it too."""

    settings: Settings
    run: Run
    confirm: Callable[[], None]
    dim: int
    notice: str
    way: Way
    make_embedder: Callable[[], Embedder]
    features: FeatureStore
    refused: Directory
    phases: Phases
    place_of_report: Directory


def check(settings: Settings) -> "Weights":
    """Check what can be checked before any work; returns the model."""
    from vitrine.vision import weights

    fetch.check(settings.pictures)
    files = [source for source in settings.catalog if not spark.is_table(source)]
    if files or not settings.catalog:
        catalog.find(files)
    model = weights.resolve(settings.model)
    if model.notice:
        logger.warning(model.notice)
    with connect(settings.milvus) as store:
        changeover.replaced(store, settings.milvus.alias, model.spec.model_id, change=settings.model.change)
    return model


def begin(
    settings: Settings,
    run: Run,
    model: "Weights",
    *,
    make_embedder: Callable[[], Embedder] | None,
    confirm: Callable[[], None],
) -> Job:
    """Prove that every place can be written, choose how rows come into the database, and publish the model."""
    from vitrine.vision import model_store

    logger.info("run %s in %s: after an interruption the same --run goes on", run.name, run.uri)
    models = anywhere(settings.model_store_uri)
    require_writable(settings.features_uri, "features.uri")
    require_writable(models, "model.store")
    require_writable(run.rows_uri, "milvus.import_uri" if run.import_uri else "work")
    if settings.thumbnails.uri:
        require_writable(settings.thumbnails.uri, "thumbnails.uri")
    place_of_report = require_writable(settings.report or run.file("report"), "report")
    with connect(settings.milvus) as store:
        way = bulk.choose(store, settings.milvus)
    logger.info("rows come in by %s", way)
    model_store.publish(model, models)
    request = EngineRequest(model.spec, settings.model, settings.pictures, models, settings.model.device)
    features = FeatureStore(settings.features_uri, run.model_id, model.spec.dim)
    undecodable = refused.place(settings.features_uri, run.model_id)
    make = make_embedder or functools.partial(task_engine, request)
    return Job(
        settings=settings,
        run=run,
        confirm=confirm,
        dim=model.spec.dim,
        notice=model.notice,
        way=way,
        make_embedder=make,
        features=features,
        refused=undecodable,
        phases=Phases(run.journal),
        place_of_report=place_of_report,
    )


def unit_job(job: Job, plan: catalog.Plan) -> UnitJob:
    """What the units of a run share."""
    settings, run, wanted = job.settings, job.run, job.settings.thumbnails
    thumbnails = wanted.model_copy(update={"uri": anywhere(wanted.uri)}) if wanted.uri else None
    return UnitJob(
        run_directory=run.uri,
        rows_directory=run.rows_uri,
        layout=plan.columns,
        pictures=settings.pictures,
        dim=job.dim,
        event_us=run.as_of_us,
        indexed_us=run.started_us,
        thumbnails=thumbnails,
    )


def write_known(job: Job) -> int:
    """Write into the run's directory what units look up: pictures that are refused, have a thumbnail, have a vector.

    Returns how many have a vector.
    """
    place, thumbnails = job.run.place, job.settings.thumbnails
    refused.add(place.within(REFUSED), refused.read(job.refused))
    if thumbnails.uri:
        Thumbnails(thumbnails.uri).write_known(place, KNOWN_THUMBNAILS)
    return job.features.write_known_hashes(place, KNOWN_HASHES)
