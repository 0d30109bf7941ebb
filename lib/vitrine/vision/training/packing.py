"""From a catalogue to a training pack: each picture is read and decoded once."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from vitrine import catalog
from vitrine.catalog.labels import is_held_out, label
from vitrine.errors import BadInput
from vitrine.fetch import Fetcher
from vitrine.product import Product
from vitrine.settings import Lesson, Settings
from vitrine.telemetry import progress
from vitrine.vision.isolation import DecodingProcess
from vitrine.vision.training import pack
from vitrine.vision.training.pack import Kind, Pack, Row
from vitrine.vision.training.sampling import Indices

logger = logging.getLogger(__name__)

LEARNED = "train"
"""What a row's `split` says of a picture that is learned from."""


def packed(lesson: Lesson, settings: Settings, place: Path) -> Pack:
    """The pack of a lesson, made below `place` where it is not there yet for the same files and settings.

    Raises:
        BadInput: a file, column or label is not what the lesson says, nothing can be learned from it, or more of its
            pictures than `max_reject_ratio` cannot be used.
    """
    side, pictures = lesson.side or settings.train.side, settings.pictures
    plan = catalog.plan(Settings(catalog=lesson.catalog, columns=lesson.columns, pictures=pictures), slots=1)
    decided = [plan.fingerprint, lesson.labels, lesson.split, lesson.held_out, lesson.packshots, side]
    digest = hashlib.sha256(json.dumps(decided).encode()).hexdigest()[:12]
    home = place / f"{lesson.name}-{digest}"
    if not home.is_dir():
        kind = Kind(side, lesson.packshots, tuple(lesson.labels))
        with (
            progress(f"packing {lesson.name}", plan.catalog_rows, "rows") as shown,
            closing(Fetcher(pictures)) as web,
            DecodingProcess() as decode,
        ):
            pack.write(home, _rows(lesson, plan, web, shown.advance), kind, lambda data: decode(data, pictures))
    found = pack.read(home, lesson.name)
    _check(found, lesson, settings.max_reject_ratio)
    return found


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
    where = ", ".join(lesson.catalog)
    bad = sum(found.rejected.values())
    told = ", ".join(f"{reason} {count}" for reason, count in sorted(found.rejected.items())) or "none"
    if bad:
        logger.warning("%s: pictures that cannot be used: %s", where, told)
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
    if alone := int((counts == 1).sum()):
        logger.warning("%s: %d of %d classes of %s have one picture only", where, alone, len(classes), name)


def _can_be_asked(asked: Indices, classes: Indices, *, by_product: bool) -> bool:
    if by_product:  # held-out products find pictures of their own
        return len(np.unique(asked)) < len(asked)
    return bool(np.isin(asked, classes).any())
