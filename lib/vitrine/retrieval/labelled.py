"""Labelled pictures of a catalogue: what is asked with, and what is searched."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from vitrine import catalog
from vitrine.catalog.labels import JOINED, label
from vitrine.errors import BadInput, BadRecord
from vitrine.fetch import Fetcher
from vitrine.images.apart import Work
from vitrine.product import Product, Reason
from vitrine.settings import Pictures, Settings

_FOR_NO_MODEL = (Reason.DECODER_CRASH, Reason.DECODE_TIMEOUT, Reason.TOO_LARGE, Reason.TOO_MANY_PIXELS)


@dataclass(frozen=True, slots=True)
class Card:
    """What is said of a picture: its product, a title, its labels in the order of the columns, empty ones unsaid."""

    product_id: str
    title: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture with its card and the part that it belongs to; `reason` says why it has no bytes."""

    card: Card
    part: str
    data: bytes
    reason: str = ""


def card(product: Product, columns: Sequence[str]) -> Card:
    """The card of a product's picture."""
    return Card(product.product_id, product.title, tuple(label(product, column) for column in columns))


def read(settings: Settings, columns: Sequence[str], split: str) -> Iterator[Labelled]:
    """The pictures of `settings.catalog` without duplicates; `split` is the attribute that divides them, or empty.

    Raises:
        BadInput: no row says anything of a label or of the split.
    """
    plan = catalog.plan(settings, slots=1)
    names = {part for column in columns for part in column.split(JOINED)} | ({split} if split else set())
    said: set[str] = set()
    with closing(Fetcher(settings.pictures)) as web:
        for unit in plan.units:
            for picture in catalog.read(unit, plan.columns):
                if not picture.duplicate:
                    said |= {name for name in names - said if label(picture.product, name)}
                    yield _labelled(picture, columns, split, web)
    if unsaid := sorted(names - said):
        where = ", ".join(settings.catalog)
        raise BadInput(f"{where}: no row says {unsaid[0]}: set --label and --split_column to columns that it has")


def harmless(one: Labelled, limits: Pictures, outlived: Work) -> Labelled:
    """The same, without its bytes where `outlived` finds them too large, or that they end or hold up a decoder."""
    try:
        outlived(one.data, limits)
    except BadRecord as error:
        if error.reason in _FOR_NO_MODEL:
            return replace(one, data=b"", reason=error.reason)
    return one


def _labelled(picture: catalog.Picture, columns: Sequence[str], split: str, web: Fetcher) -> Labelled:
    product = picture.product
    data, reason = web.bytes_of(picture)
    return Labelled(card(product, columns), label(product, split) if split else "", data, reason)
