"""Train: weights for pictures like these, learned from a catalogue's own labels and products.

Reads   --catalog, or the lessons of a settings file; begins with the weights that --model.weights names.
Writes  the model into the model store (--model.store, by default WORK/models) and as a file that --model.weights takes;
        metrics.json and report.html with the course of the training. File and report go below --report, by default
        WORK/training/RUN/report. Decoded pictures are kept below WORK/training/packs.
Again   with the same --run goes on where that was stopped or killed, and ends as if it had not been.
Run     python jobs/train.py --catalog products.parquet --labels category --steps 5000 --run spring
        python jobs/train.py --catalog products.parquet --labels category colour --run summer --workers 2
"""

import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from vitrine import flags, lock, report, spark
from vitrine.errors import BadSettings, VitrineError
from vitrine.report import Curves, Page
from vitrine.run import anywhere
from vitrine.settings import Settings
from vitrine.storage import Directory, directory, require_writable
from vitrine.telemetry import configure_logging
from vitrine.vision import model_store
from vitrine.vision.engine import device_of
from vitrine.vision.metadata import LONGEST_NOTICE
from vitrine.vision.training import manners, packing, process, shipping, validation
from vitrine.vision.training.checkpoints import Validation
from vitrine.vision.training.pack import Pack
from vitrine.vision.training.running import Trained
from vitrine.vision.weights import Weights

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job from a command line; returns the exit code."""
    configure_logging()
    given = sys.argv[1:] if arguments is None else arguments
    return flags.exit_code(lambda: train(flags.load(given, program="train.py", story=__doc__ or "", home="train")))


def train(settings: Settings) -> Weights | None:
    """Do the whole job; returns the weights that it has published, None where only packs are wanted."""
    if settings.train.polite:
        manners.step_back()
        manners.give_way()
    run = settings.run or f"{datetime.now(UTC):%Y%m%dt%H%M%S}"
    settings = settings.model_copy(update={"work": anywhere(settings.work)})
    home = directory(settings.under_work("training", run))
    process.place_of_packs(settings)
    place = require_writable(anywhere(settings.report or home.path("report")), "report")
    begun = process.beginning_of(settings)
    process.require_no_stray(settings)
    terms_of(settings, begun)
    device_of(None, settings.model.device)
    with lock.held(home, "lock", f"training {run}"):
        packs = process.packs_of(settings)  # before several processes look for them
        remark(settings, packs)
        if settings.train.pack_only:
            sys.stdout.write("".join(f"{pack.name}: {len(pack):,} pictures in {pack.place}\n" for pack in packs))
            return None
        trained = carried_out(settings, run)
        weights = finished(settings, trained, packs, begun=begun, origin=f"trained by jobs/train.py, run {run}")
        facts = facts_of(settings, weights, trained, packs)
        model_store.publish(weights, settings.model_store_uri, training=facts if trained.best.step else None)
        tell(place, run, weights, trained, facts)
        if not trained.best.step:
            logger.warning("nothing that was learned is better than what it began with, which is what was published")
    return weights


def remark(settings: Settings, packs: Sequence[Pack]) -> None:
    """Say what people should know before it takes long.

    Raises:
        BadSettings: there are too few pictures for the whitening.
    """
    for pack, lesson in zip(packs, process.lessons_of(settings), strict=True):
        for line in packing.remarks(pack, lesson):
            logger.warning(line)
    n, dim = sum(shipping.sample_of(packs)), settings.train.whiten or 0
    if n <= dim:
        raise BadSettings(f"train.whiten {dim} wants more pictures than that to learn from, and there are {n}")


def carried_out(settings: Settings, run: str) -> Trained:
    """Train in this process, or in several that Spark starts."""
    if settings.train.workers == 1:
        return process.run(settings, run)
    from pyspark.ml.torch.distributor import TorchDistributor

    with spark.session(f"vitrine train {run}", settings.spark):
        together = TorchDistributor(num_processes=settings.train.workers, local_mode=True, use_gpu=False)
        found: Trained | VitrineError | None = together.run(process.attempt, settings.model_dump_json(), run)
    if isinstance(found, VitrineError):
        raise found
    assert found is not None, "TorchDistributor gives what the first process returns"
    return found


def finished(settings: Settings, trained: Trained, packs: Sequence[Pack], *, begun: Weights, origin: str) -> Weights:
    """The weights as they ship: whitened where wished for, on the terms of what training began with."""
    spec = begun.spec
    size, tensors, dim = process.course_of(settings, spec).last_size, dict(trained.tensors), settings.train.whiten
    if dim:
        tensors = shipping.whiten(tensors, spec, packs, image_size=size, dim=dim, seed=settings.train.seed)
    return shipping.shipped(tensors, spec, image_size=size, origin=origin, notice=terms_of(settings, begun))


def terms_of(settings: Settings, begun: Weights) -> str:
    """What people must know of the weights: the terms of what training begins with, then `train.licence`.

    Raises:
        BadSettings: it is longer than what a file of weights says of itself.
    """
    inherited, own = "" if begun.untrained else begun.notice, " ".join(settings.train.licence.split())
    known = f"; {own}; " in f"; {inherited}; "
    notice = inherited if known else "; ".join(filter(None, (inherited, own)))
    if len(notice) > LONGEST_NOTICE:
        raise BadSettings(
            f"train.licence: {len(notice):,} characters with what it began with, at most {LONGEST_NOTICE:,}"
        )
    return notice


def facts_of(settings: Settings, weights: Weights, trained: Trained, packs: Sequence[Pack]) -> dict[str, Any]:
    """What the weights were made of and how well they do, as they ship."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "began_with": settings.model.weights,
        "data": {
            pack.name: {
                "catalog": lesson.catalog or [lesson.pack],
                "learned_from": int((~pack.held_out).sum()),
                "held_out": int(pack.held_out.sum()),
                "rejected": pack.rejected,
                "classes": {label: len(names) for label, names in pack.classes.items()},
            }
            for pack, lesson in zip(packs, process.lessons_of(settings), strict=True)
        },
        "steps": trained.steps,
        "best_step": trained.best.step,
        "seconds": round(trained.seconds),
        "metrics": shipping.judged(weights, process.tasks_of(settings, packs)),
        "at_the_start": dict(trained.validations[0].shares),
        "licence": weights.notice,
        "settings": settings.train.model_dump(mode="json", exclude={"lessons"}),
    }


def tell(place: Directory, run: str, weights: Weights, trained: Trained, facts: dict[str, Any]) -> None:
    """Write the weights' file, metrics.json and report.html; print what was reached."""
    place.write("weights.safetensors", shipping.file_of(weights))
    course = [asdict(one) for one in trained.validations]
    figures = {"model_id": weights.spec.model_id, **facts, "validations": course}
    place.write("metrics.json", f"{json.dumps(figures, indent=2, allow_nan=False)}\n".encode())
    place.write("report.html", report.render(page(run, weights, trained, facts)).encode("utf-8", "backslashreplace"))
    lines = [
        f"{name}: {facts['at_the_start'][name]:.3f} at the start, {share:.3f} now"
        for name, share in facts["metrics"].items()
    ]
    lines.append(f"model {weights.spec.model_id}: --model.weights {place.path('weights.safetensors')}")
    sys.stdout.write("\n".join([*lines, place.path("report.html"), ""]))


def page(run: str, weights: Weights, trained: Trained, facts: dict[str, Any]) -> Page:
    """The report: the course of all figures, what the weights are, and the pictures that were of no use."""
    later, data = trained.validations[1:], facts["data"].values()
    rejected = sum((Counter(one["rejected"]) for one in data), Counter[str]())
    return Page(
        title=f"Training {run}",
        summary=f"Model {weights.spec.model_id}: {came_to(trained)}.",
        curves=(
            *(curves_of(trained.validations, metric) for metric in validation.SHOWN),
            Curves("Loss", "steps", {"mean": tuple((one.step, one.loss) for one in later)}),
            Curves("Learning rate", "steps", {"rate": tuple((one.step, one.learning_rate) for one in later)}),
        ),
        facts={
            "backbone": weights.spec.backbone,
            "pictures": f"{weights.spec.image_size} px",
            "dimension": str(weights.spec.dim),
            "began with": str(facts["began_with"]),
            "learned from": f"{sum(one['learned_from'] for one in data):,} pictures",
            "held out": f"{sum(one['held_out'] for one in data):,} pictures",
            "time": f"{facts['seconds']:,} s",
            "licence": weights.notice or "none stated",
        },
        rejects_by_reason=dict(rejected),
    )


def came_to(trained: Trained) -> str:
    """Which weights were kept, in words."""
    if not trained.best.step:
        return f"none of {trained.steps:,} steps made it better than it was"
    return f"best after {trained.best.step:,} of {trained.steps:,} steps"


def curves_of(validations: Sequence[Validation], metric: str) -> Curves:
    """One metric over the course of the training, a line for each thing that is looked for."""
    names = [name for name in validations[0].shares if name.endswith(f" {metric}")]
    lines = {
        name.removesuffix(f" {metric}"): tuple((one.step, one.shares[name]) for one in validations) for name in names
    }
    return Curves(f"{metric}, of products held out", "steps", lines)


if __name__ == "__main__":
    sys.exit(main())
