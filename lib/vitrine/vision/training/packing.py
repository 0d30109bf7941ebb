"""From a catalogue to a training pack: each picture is read and decoded once."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from vitrine import catalog
from vitrine.catalog.labels import is_held_out, label
from vitrine.errors import BadInput
from vitrine.fetch import Fetcher
from vitrine.images import pixels
from vitrine.images.apart import Apart
from vitrine.product import Product, counted
from vitrine.settings import Lesson, Settings
from vitrine.telemetry import progress
from vitrine.vision.isolation import unpacked
from vitrine.vision.training import pack
from vitrine.vision.training.pack import Kind, Pack, Row
from vitrine.vision.training.sampling import Indices

LEARNED = "train"
"""What a row's `split` says of a picture that is learned from."""


def packed(lesson: Lesson, settings: Settings, place: Path) -> Pack:
    """The pack that a lesson names; or that of its catalogue, made below `place` where it is not there yet.

    Raises:
        BadInput: a file, column or label is not what the lesson says, nothing can be learned from it, or more of its
            pictures than `max_reject_ratio` cannot be used: what was made is then deleted.
    """
    if lesson.pack:
        found = _named(lesson)
        _check(found, lesson, settings.max_reject_ratio)
        return found
    home, made = _home_of(lesson, settings, place)
    found = pack.read(home, lesson.name)
    try:
        _check(found, lesson, settings.max_reject_ratio)
    except BadInput:
        if made:
            shutil.rmtree(home, ignore_errors=True)
        raise
    return found


def _named(lesson: Lesson) -> Pack:
    found = pack.read(Path(lesson.pack), lesson.name)
    if found.packshots != lesson.packshots:
        raise BadInput(f"{lesson.pack} was made with packshots = {found.packshots}: say so in lesson {lesson.name}")
    for name in lesson.labels:
        if name not in found.labels:
            raise BadInput(f"{lesson.pack} has no label {name}: it was made with {', '.join(found.labels) or 'none'}")
    return replace(
        found,
        labels={name: found.labels[name] for name in lesson.labels},
        classes={name: found.classes[name] for name in lesson.labels},
    )


def _home_of(lesson: Lesson, settings: Settings, place: Path) -> tuple[Path, bool]:
    """Where the pack of a catalogue lies, and whether it was made just now: once for the same files and settings."""
    side, pictures = lesson.side or settings.train.side, settings.pictures
    plan = catalog.plan(Settings(catalog=lesson.catalog, columns=lesson.columns, pictures=pictures), slots=1)
    how = [lesson.labels, lesson.split, lesson.held_out, lesson.packshots, side, pictures.model_dump(mode="json")]
    digest = hashlib.sha256(json.dumps([plan.fingerprint, *how]).encode()).hexdigest()[:12]
    home = place / f"{lesson.name}-{digest}"
    made = not home.is_dir()
    if made:
        kind = Kind(side, lesson.packshots, tuple(lesson.labels))
        with (
            progress(f"packing {lesson.name}", plan.catalog_rows, "rows") as shown,
            closing(Fetcher(pictures)) as web,
            Apart(pixels) as apart,
        ):
            pack.write(
                home, _rows(lesson, plan, web, shown.advance), kind, lambda data: unpacked(apart(data, pictures))
            )
    return home, made


def _rows(lesson: Lesson, plan: catalog.Plan, web: Fetcher, advance: Callable[[], None]) -> Iterator[Row]:
    for unit in plan.units:
        for picture in catalog.read(unit, plan.columns):
            advance()
            if not picture.duplicate:
                yield _row(lesson, picture, web)


def _row(lesson: Lesson, picture: catalog.Picture, web: Fetcher) -> Row:
    product = picture.product
    data, reason = web.bytes_of(picture)
    labels = tuple(label(product, name) for name in lesson.labels)
    return Row(product.product_id, data, _is_held_out(lesson, product), labels, reason)


def _is_held_out(lesson: Lesson, product: Product) -> bool:
    if lesson.split:
        return label(product, lesson.split) != LEARNED
    return is_held_out(product.product_id, lesson.held_out)


def _check(found: Pack, lesson: Lesson, most: float) -> None:
    where, told, bad = _where(lesson), counted(found.rejected), sum(found.rejected.values())
    if bad > most * (bad + len(found)):
        raise BadInput(
            f"{where}: {bad} pictures of {bad + len(found)} cannot be used, more than max_reject_ratio {most:g}: {told}"
        )
    for learned, what in ((True, "to learn from"), (False, "to validate with")):
        if not (found.held_out != learned).any():
            raise BadInput(f"{where}: no picture {what} (rejected: {told}): check split, held_out and the pictures")
    both = set(found.products[found.held_out]) & set(found.products[~found.held_out])
    if both:
        raise BadInput(f"{where}: {len(both)} products are on both sides of {lesson.split}: give each one value")
    for name in lesson.labels:
        _check_label(found, name, where)


def _check_label(found: Pack, name: str, where: str) -> None:
    learned, asked = found.labels[name][~found.held_out], found.labels[name][found.held_out]
    classes, counts = np.unique(learned[learned >= 0], return_counts=True)
    if not found.classes[name]:
        raise BadInput(f"{where}: no product has a {name}: check the name, or name the column by --columns")
    if len(classes) < 2:
        raise BadInput(f"{where}: all products are of one {name}: name a label that tells products apart")
    if counts.max() < 2:
        raise BadInput(f"{where}: no two pictures share a {name}: nothing can be learned from it, leave it out")
    if not _can_be_asked(asked, classes, by_product=name == "product_id"):
        raise BadInput(f"{where}: no picture held out can find another of its {name}: hold out more, or leave it out")


def remarks(found: Pack, lesson: Lesson) -> Iterator[str]:
    """What people should know of a pack before it is learned from, a line each."""
    if found.rejected:
        told = counted(found.rejected)
        yield f"{_where(lesson)}: pictures that cannot be used: {told}; delete {found.place} to try them again"
    for name in lesson.labels:
        learned = found.labels[name][~found.held_out]
        counts = np.unique(learned[learned >= 0], return_counts=True)[1]
        if alone := int((counts == 1).sum()):
            yield f"{_where(lesson)}: {alone} of {len(counts)} classes of {name} have one picture only"


def _where(lesson: Lesson) -> str:
    return ", ".join(lesson.catalog) or lesson.pack


def _can_be_asked(asked: Indices, classes: Indices, *, by_product: bool) -> bool:
    if by_product:  # held-out products find pictures of their own
        return len(np.unique(asked)) < len(asked)
    return bool(np.isin(asked, classes).any())
