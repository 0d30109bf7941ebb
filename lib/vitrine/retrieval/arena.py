"""Where models meet: the same queries against the same gallery."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Protocol

import numpy as np

from vitrine.catalog.labels import JOINED
from vitrine.errors import BadInput
from vitrine.matching import UNLABELLED, Numbers, Sides, answerable
from vitrine.product import counted
from vitrine.retrieval.labelled import Card, Labelled
from vitrine.retrieval.spool import Spool

PRODUCT_ID = "product_id"


class Source(Protocol):
    """Where the pictures of a side are kept."""

    def read(self, i: int) -> bytes | None:
        """The bytes of the `i`-th picture; None where they are not at hand."""
        ...


@dataclass(frozen=True, slots=True)
class Side:
    """Queries or gallery: n pictures, their products and, by label column, their classes, as numbers from 0.

    `rows` says where in the source each one lies; pictures of the same bytes have the same number in `contents`; a
    class is `UNLABELLED` where nothing is said.
    """

    source: Source
    rows: Numbers
    products: Numbers
    contents: Numbers
    titles: tuple[str, ...]
    labels: Mapping[str, Numbers]

    def __len__(self) -> int:
        return len(self.rows)

    def picture(self, place: int) -> bytes | None:
        """The bytes of one picture; None where they are not at hand."""
        return self.source.read(int(self.rows[place]))

    def pictures(self) -> Iterator[tuple[int, bytes]]:
        """Places and bytes, in order."""
        return ((place, self.picture(place) or b"") for place in range(len(self)))

    def drawn(self, most: int, *, seed: int) -> "Side":
        """So many of the pictures, drawn by the seed, in their order; all where there are no more."""
        if len(self) <= most:
            return self
        kept = np.sort(np.random.default_rng(seed).choice(len(self), most, replace=False))
        return replace(
            self,
            rows=self.rows[kept],
            products=self.products[kept],
            contents=self.contents[kept],
            titles=tuple(self.titles[i] for i in kept),
            labels={column: numbers[kept] for column, numbers in self.labels.items()},
        )


@dataclass(frozen=True, slots=True)
class Arena:
    """Queries and gallery, the names of the classes by label column, and how many pictures had no bytes, by reason."""

    queries: Side
    gallery: Side
    classes: Mapping[str, Sequence[str]]
    rejected: Mapping[str, int]

    def own(self, column: str) -> Sides:
        """Numbers of both sides: a picture with that of the query is not searched.

        They are those of the products; where the label is the product, other pictures of it are what is looked for,
        and they are those of the pictures' contents.
        """
        if is_product(column):
            return self.queries.contents, self.gallery.contents
        return self.queries.products, self.gallery.products

    def labels(self, column: str) -> Sides:
        """The classes of both sides."""
        return self.queries.labels[column], self.gallery.labels[column]


class Census:
    """Numbers for products, contents and classes, the same on both sides."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._products: dict[str, int] = {}
        self._contents: dict[str, int] = {}
        self._classes: dict[str, dict[str, int]] = {column: {} for column in columns}
        self.rejected: Counter[str] = Counter()

    def take_in(self, pictures: Iterable[Labelled], spool: Spool) -> Side:
        """The side of these pictures; those without bytes are only counted."""
        cards, digests = list[Card](), list[str]()
        for one in pictures:
            if one.reason:
                self.rejected[one.reason] += 1
            else:
                spool.add(one.data)
                cards.append(one.card)
                digests.append(sha256(one.data).hexdigest())
        return self.side(cards, digests, spool)

    def side(self, cards: Sequence[Card], digests: Sequence[str], source: Source) -> Side:
        """The side of pictures that are in a source already; `digests` are the sha256 of their bytes, as hex."""
        products = np.array([_number(self._products, one.product_id) for one in cards], dtype=np.int64)
        contents = np.array([_number(self._contents, one) for one in digests], dtype=np.int64)
        labels = {
            column: np.array([_number(names, one.labels[i]) for one in cards], dtype=np.int64)
            for i, (column, names) in enumerate(self._classes.items())
        }
        titles = tuple(one.title or one.product_id for one in cards)
        return Side(source, np.arange(len(cards)), products, contents, titles, labels)

    def arena(self, queries: Side, gallery: Side) -> Arena:
        """Both sides together.

        Raises:
            BadInput: a side is empty, or a label tells nothing apart, or none of the queries has a partner.
        """
        classes = {column: tuple(names) for column, names in self._classes.items()}
        made = Arena(queries, gallery, classes, dict(self.rejected))
        for side, what in ((queries, "queries"), (gallery, "gallery")):
            if not len(side):
                told = counted(self.rejected)
                raise BadInput(f"there is no picture for the {what} (rejected: {told}): check splits and held_out")
        for column in classes:
            _check(made, column)
        return made


def _check(arena: Arena, column: str) -> None:
    known = np.unique(arena.gallery.labels[column])
    if np.count_nonzero(known != UNLABELLED) < 2:
        raise BadInput(f"the gallery has fewer than two classes of {column}: every answer would be right, or none")
    if not answerable(arena.labels(column), arena.own(column)).any():
        other = "another picture" if is_product(column) else "a picture of another product"
        raise BadInput(
            f"no query shares its {column} with {other} in the gallery: choose another label or another split"
        )


def is_product(column: str) -> bool:
    """Whether the label is the product itself."""
    return PRODUCT_ID in column.split(JOINED)


def _number(names: dict[str, int], value: str) -> int:
    return names.setdefault(value, len(names)) if value else UNLABELLED
