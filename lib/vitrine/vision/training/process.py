"""What one process of a training does, from its settings to trained tensors."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from vitrine.errors import BadSettings, VitrineError
from vitrine.settings import Lesson, Settings
from vitrine.storage import directory
from vitrine.telemetry import configure_logging
from vitrine.vision.backbone import LEAST_SIZE, POOLED_DIM
from vitrine.vision.spec import ModelSpec
from vitrine.vision.training.checkpoints import CHECKPOINT
from vitrine.vision.training.imprinting import imprint
from vitrine.vision.training.loop import Trainer
from vitrine.vision.training.network import TrainedNetwork, arithmetic
from vitrine.vision.training.pack import Pack
from vitrine.vision.training.packing import packed
from vitrine.vision.training.running import Pace, Trained, train
from vitrine.vision.training.task import Course, Task
from vitrine.vision.training.together import Group, is_leading, joined
from vitrine.vision.training.views import Look
from vitrine.vision.weights import Weights, resolve

logger = logging.getLogger(__name__)

_LOADERS = 8
_OF_ONE = {"labels", "split", "held_out", "packshots", "same"}


def lessons_of(settings: Settings) -> list[Lesson]:
    """What is learned from: the lessons of the settings, else the one catalogue.

    Raises:
        BadSettings: there is neither, or there are both, two lessons of one name, or nothing to learn.
    """
    wanted = settings.train
    if wanted.lessons and settings.catalog:
        raise BadSettings("there is a catalog and there are train.lessons: leave one of them out")
    if not wanted.lessons and not settings.catalog:
        raise BadSettings("what is to be learned from? Give --catalog, or [[train.lessons]] in a settings file")
    names = [lesson.name for lesson in wanted.lessons]
    if len({*names}) < len(names):
        raise BadSettings("train.lessons: give each its own name")
    if not wanted.lessons and not wanted.labels and not wanted.same:
        raise BadSettings("nothing is learned: name --labels, or let --same be above 0")
    one = {name: getattr(wanted, name) for name in _OF_ONE}
    return list(wanted.lessons) or [Lesson(catalog=settings.catalog, columns=settings.columns, **one)]


def require_no_stray(settings: Settings) -> None:
    """Check that nothing was given for the one catalogue where there are lessons.

    Raises:
        BadSettings: something was, and would not be heeded.
    """
    stray = {f"train.{name}" for name in _OF_ONE & settings.train.model_fields_set}
    stray |= {"columns"} & settings.model_fields_set
    if settings.train.lessons and stray:
        raise BadSettings(f"{min(stray)}: there are train.lessons, each says its own")


def beginning_of(settings: Settings) -> Weights:
    """The weights that training begins with; their spec says what the trained ones will be.

    Raises:
        BadSettings, BadInput: what `vitrine.vision.weights.resolve` raises, or a dimension is wanted that is not there.
    """
    found = resolve(settings.model.model_copy(update={"dim": None}))
    dim, pooling = settings.model.dim or found.spec.dim, settings.train.pooling or found.spec.pooling
    if dim > (most := POOLED_DIM[found.spec.backbone]):
        raise BadSettings(f"model.dim {dim} is more than the {most} that {found.spec.backbone} gives")
    if (settings.train.whiten or 0) > dim:
        raise BadSettings(f"train.whiten {settings.train.whiten} is more than the model's dimension {dim}")
    return replace(found, spec=replace(found.spec, head="linear", dim=dim, pooling=pooling))


def place_of_packs(settings: Settings) -> Path:
    """Where packs are kept.

    Raises:
        BadSettings: that is no directory of this machine.
    """
    place = directory(settings.under_work("training", "packs")).local
    if place is None:
        raise BadSettings("work: training keeps its pictures on a disk of this machine, name a directory")
    return place


def packs_of(settings: Settings) -> list[Pack]:
    """The packs of all lessons; those that are not there yet are made.

    Raises:
        BadSettings, BadInput: what `place_of_packs` and `vitrine.vision.training.packing.packed` raise.
    """
    place = place_of_packs(settings)
    return [packed(lesson, settings, place) for lesson in lessons_of(settings)]


def tasks_of(settings: Settings, packs: Sequence[Pack]) -> list[Task]:
    """What is to be learned from each pack."""
    return [_task(lesson, one, settings) for lesson, one in zip(lessons_of(settings), packs, strict=True)]


def _task(lesson: Lesson, one: Pack, settings: Settings) -> Task:
    return Task(
        pack=one,
        share=lesson.share,
        look=Look(area=lesson.area),
        packshots=lesson.packshots,
        backdrops=lesson.backdrops,
        per_class=settings.train.per_class,
        objectives={
            label: (lesson.losses.get(label, settings.train.loss), lesson.weights.get(label, 1.0))
            for label in lesson.labels
        },
        same=lesson.same,
    )


def course_of(settings: Settings, begun: ModelSpec) -> Course:
    """How long and how fast; sizes grow in equal parts of the schedule, by default all are that of the model.

    Raises:
        BadSettings: a size is too small for the backbone.
    """
    wanted = settings.train
    sizes = wanted.sizes or [begun.image_size]
    if min(sizes) < (least := LEAST_SIZE.get(begun.backbone, 0)):
        raise BadSettings(f"train.sizes: {min(sizes)} is too small: {begun.backbone} wants at least {least}")
    return Course(
        steps=wanted.steps,
        batch=wanted.batch_size,
        peak=wanted.learning_rate,
        sizes=[((i + 1) / len(sizes), size) for i, size in enumerate(sizes)],
        average=wanted.average,
        seed=wanted.seed,
    )


def run(settings: Settings, name: str) -> Trained:
    """Train, as one of the processes that torchrun's variables name, or alone; `name` is that of the run.

    Raises:
        BadSettings, BadInput: what `lessons_of`, `beginning_of` and `packed` raise, and what
            `vitrine.vision.training.running.train` raises.
    """
    begun = beginning_of(settings)
    course = course_of(settings, begun.spec)
    wanted, place = settings.train, directory(settings.under_work("training", name))
    with joined(settings.model.device) as group:
        if group.size > 1 and group.device.type == "cpu":
            torch.set_num_threads(max(1, (os.cpu_count() or 1) // group.size))
        tasks = tasks_of(settings, packs_of(settings))
        dtype = arithmetic(settings.model.precision, group.device)
        torch.manual_seed(course.seed)
        network = TrainedNetwork(begun, dtype)
        trainer = Trainer(network, tasks, course, group, loaders=_loaders(wanted.loaders, group))
        if not begun.untrained and not place.exists(CHECKPOINT):
            imprint(trainer)
        pace = Pace(wanted.validate_every, wanted.checkpoint_s, wanted.patience, polite=wanted.polite)
        return train(trainer, pace, place, _decided(begun, course, tasks, pace, processes=group.size, dtype=dtype))


def attempt(settings_json: str, name: str) -> Trained | VitrineError:
    """`run` as a program of its own, which tells an error of ours to who started it."""
    configure_logging()
    try:
        return run(Settings.model_validate_json(settings_json), name)
    except VitrineError as error:
        return error
    except RuntimeError as error:
        if is_leading() or "gloo" not in str(error):
            raise
        logger.warning("this process ends, since another has: %s", error)
        return VitrineError("a process of the training has ended")


def _loaders(wanted: int | None, group: Group) -> int:
    if wanted is not None:
        return wanted
    return min(_LOADERS, (os.cpu_count() or 1) // group.size) if group.device.type == "cuda" else 0


def _decided(
    begun: Weights, course: Course, tasks: Sequence[Task], pace: Pace, *, processes: int, dtype: torch.dtype
) -> Mapping[str, Any]:
    """All that decides the steps of a run, and which weights are kept, by what people call it.

    The order of lessons and labels is a part of it: it decides what is drawn, and whose momentum is whose.
    """
    of_tasks = {
        f"{task.pack.name} {name}": value
        for task in tasks
        for name, value in (
            ("pictures", task.pack.sha256),
            ("share", task.share),
            ("views", asdict(task.look)),
            ("backdrops", task.backdrops),
            ("per_class", task.per_class),
            ("losses", task.objectives),
            ("same", task.same),
        )
    }
    fixed = {
        "weights": begun.spec.model_id,
        "processes": processes,
        "precision": str(dtype).removeprefix("torch."),
        "lessons": [[task.pack.name, *task.objectives] for task in tasks],
        "validate_every": pace.validate_every,
        "patience": pace.patience,
    }
    return {**asdict(course), **fixed, **of_tasks}
