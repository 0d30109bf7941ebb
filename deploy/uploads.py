"""What sellers do to the shop of the demo: 100 uploads of seven kinds."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import pyarrow.parquet as pq

from vitrine.events import ImageRef, ListingEvent, Message, carried, encode, sha256
from vitrine.rendering import draw, jpeg, look

SEED = 11
COUNTS = {
    "new": 30,
    "changed price": 20,
    "changed picture": 15,
    "one picture of three changed": 5,
    "deleted": 15,
    "deleted, then listed again": 10,
    "broken": 5,
}


@dataclass(frozen=True, slots=True)
class Change:
    """One upload: events of one product in their order, the last of which stands; `spoil` breaks their records."""

    kind: str
    events: tuple[ListingEvent, ...]
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    spoil: Callable[[Message], Message] = lambda message: message

    @property
    def product_id(self) -> str:
        """The product that it is about."""
        return self.events[-1].product_id

    def messages(self) -> Iterator[Message]:
        """Its records, as of now."""
        for event in self.events:
            yield self.spoil(encode(event.model_copy(update={"event_us": now_us()}), self.pictures))

    def is_shown_by(self, versions: Sequence[int]) -> bool:
        """Whether rows with these versions are what it says."""
        last = self.events[-1]
        return list(versions) == ([last.version] * len(last.images) if last.op == "upsert" else [])


@dataclass(frozen=True, slots=True)
class Stated:
    """A product of the catalogue."""

    product_id: str
    images: tuple[bytes, ...]
    fields: dict[str, object]

    def event(self, op: str, **changed: object) -> ListingEvent:
        """An event that states it as it is, but for what has changed; it carries no bytes of its own."""
        images = tuple(ImageRef(sha256=sha256(data)) for data in self.images)
        stated = {"op": op, "product_id": self.product_id, "version": now_us(), "images": images, **self.fields}
        return ListingEvent.model_validate({**stated, **changed})


class Shop:
    """The products of the demo's catalogue, each of which is asked for once."""

    def __init__(self, products: Sequence[Stated]) -> None:
        self._products = list(products)
        random.Random(SEED).shuffle(self._products)

    @classmethod
    def read(cls, catalog: Path) -> Self:
        """The shop of a catalogue that `write_demo_catalog` wrote."""
        names = ("title", "category", "brand", "price", "in_stock")
        return cls(
            [
                Stated(row["product_id"], tuple(row["images"]), {name: row[name] for name in names})
                for row in pq.read_table(catalog).to_pylist()
            ]
        )

    def take(self, pictures: int = 1) -> Stated:
        """A product with at least so many pictures."""
        chosen = next(product for product in self._products if len(product.images) >= pictures)
        self._products.remove(chosen)
        return chosen


def changes(shop: Shop) -> list[Change]:
    """All uploads, mixed; no two are about one product."""
    made = [_MAKERS[kind](shop, number) for kind, count in COUNTS.items() for number in range(count)]
    random.Random(SEED).shuffle(made)
    return made


def now_us() -> int:
    """The present moment, in microseconds since 1970."""
    return time.time_ns() // 1_000


def _drawn(number: int) -> bytes:
    return jpeg(draw(look(900_000 + number)))


def _new(shop: Shop, number: int) -> Change:
    data = _drawn(number)
    event = ListingEvent(
        op="upsert", product_id=f"N{number:05}", version=now_us(), title=f"Upload {number}", images=carried([data])
    )
    return Change("new", (event,), {sha256(data): data})


def _priced(shop: Shop, number: int) -> Change:
    return Change("changed price", (shop.take().event("upsert", price=1.0 + number),))


def _pictured(shop: Shop, number: int) -> Change:
    data = _drawn(1_000 + number)
    return Change("changed picture", (shop.take().event("upsert", images=carried([data])),), {sha256(data): data})


def _one_of_three(shop: Shop, number: int) -> Change:
    product, data = shop.take(pictures=3), _drawn(2_000 + number)
    first, _, *others = product.event("upsert").images
    event = product.event("upsert", images=(first, *carried([data]), *others))
    return Change("one picture of three changed", (event,), {sha256(data): data})


def _deleted(shop: Shop, number: int) -> Change:
    return Change("deleted", (shop.take().event("delete", images=()),))


def _listed_again(shop: Shop, number: int) -> Change:
    product = shop.take()
    gone = product.event("delete", images=())
    again = product.event("upsert", version=gone.version + 1, images=carried(product.images))
    return Change("deleted, then listed again", (gone, again), {sha256(data): data for data in product.images})


def _broken(shop: Shop, number: int) -> Change:
    change = replace(_new(shop, 3_000 + number), kind="broken")
    ways: tuple[Callable[[Message], Message], ...] = (
        lambda message: replace(message, headers=()),
        lambda message: replace(message, value=None, headers=()),
        lambda message: replace(message, key=b"another"),
        lambda message: replace(message, value=(message.value or b"")[:-1]),
    )
    if number < len(ways):
        return replace(change, spoil=ways[number])
    half = _drawn(number)[:900]
    (event,) = change.events
    return replace(
        change, events=(event.model_copy(update={"images": carried([half])}),), pictures={sha256(half): half}
    )


_MAKERS: Mapping[str, Callable[[Shop, int], Change]] = {
    "new": _new,
    "changed price": _priced,
    "changed picture": _pictured,
    "one picture of three changed": _one_of_three,
    "deleted": _deleted,
    "deleted, then listed again": _listed_again,
    "broken": _broken,
}
