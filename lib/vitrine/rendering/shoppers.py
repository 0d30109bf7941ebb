"""A demo clickstream: made-up shoppers who look for things that go together, in one colour."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vitrine.product import MAX_PRODUCT_ID_BYTES

OCCASIONS: tuple[tuple[str, ...], ...] = (
    ("Shirts", "Trousers", "Boots", "Ties", "Watches"),
    ("Shirts", "Skirts", "Heels", "Handbags"),
    ("T-shirts", "Shorts", "Sneakers", "Caps", "Backpacks"),
    ("Vests", "Shorts", "Socks", "Sneakers", "Bottles"),
    ("Dresses", "Heels", "Handbags", "Sunglasses", "Hats"),
    ("Jackets", "Trousers", "Boots", "Beanies", "Umbrellas"),
    ("T-shirts", "Skirts", "Totes", "Sunglasses"),
    ("Mugs", "Teapots", "Vases", "Pots"),
    ("Chairs", "Armchairs", "Cushions", "Lamps", "Clocks"),
)
"""Kinds of products (the last level of their categories) that are wanted at once; each session has one."""
FIRST_VISIT = datetime(2026, 11, 2, 7, tzinfo=UTC)
DAYS = 14
OWN_COLOUR = 12.0
"""How much likelier a shopper looks at a product in the colour of the day."""

SCHEMA = pa.schema(
    {
        "session_id": pa.string(),
        "product_id": pa.string(),
        "event_type": pa.string(),
        "event_ts": pa.timestamp("us", tz="UTC"),
    }
)

Event = tuple[str, str, str, datetime]


@dataclass(frozen=True, slots=True)
class Shelf:
    """The products of one kind: their ids, and their colours."""

    product_ids: tuple[str, ...]
    colours: tuple[str, ...]


def write_demo_events(catalog: Path, directory: Path, *, sessions: int = 4_000, seed: int = 7) -> Path:
    """Draw sessions among the products of a demo catalogue and write them to `directory`/events.parquet.

    The file is one that jobs/recommend.py reads with `--columns.user=`; same arguments, same content. In a session
    products of an occasion are viewed one kind after the other, some put into the cart, and some of those bought.
    """
    shelves = _shelves(catalog)
    colours = sorted({colour for shelf in shelves.values() for colour in shelf.colours})
    dice = random.Random(seed)
    events = [event for number in range(sessions) for event in _session(f"S{number:05}", shelves, colours, dice)]
    path = directory / "events.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(list(zip(*events, strict=True)), schema=SCHEMA), path)
    return path


def _shelves(catalog: Path) -> Mapping[str, Shelf]:
    products: dict[str, list[tuple[str, str]]] = {}
    for row in pq.read_table(catalog, columns=["product_id", "category", "attributes"]).to_pylist():
        if len(row["product_id"].encode()) <= MAX_PRODUCT_ID_BYTES:
            kind, colour = row["category"].rpartition("/")[2], dict(row["attributes"])["colour"]
            products.setdefault(kind, []).append((row["product_id"], colour))
    return {kind: Shelf(*zip(*found, strict=True)) for kind, found in products.items()}


def _session(
    session_id: str, shelves: Mapping[str, Shelf], colours: Sequence[str], dice: random.Random
) -> Iterator[Event]:
    colour, now = dice.choice(colours), FIRST_VISIT + timedelta(seconds=dice.randrange(DAYS * 86_400))
    carted = []
    occasion = [kind for kind in dice.choice(OCCASIONS) if kind in shelves and dice.random() < 0.8]
    for kind in occasion:
        for product_id in _looked_at(shelves[kind], colour, dice):
            now += timedelta(seconds=dice.randrange(8, 120))
            yield session_id, product_id, "view", now
        if dice.random() < 0.4:
            now += timedelta(seconds=dice.randrange(3, 40))
            carted.append(product_id)
            yield session_id, product_id, "cart", now
    if dice.random() < 0.6:
        now += timedelta(seconds=dice.randrange(30, 300))
        for product_id in carted:
            yield session_id, product_id, "purchase", now


def _looked_at(shelf: Shelf, colour: str, dice: random.Random) -> list[str]:
    """One to three products of a shelf, the favourite last."""
    weights = [OWN_COLOUR if own == colour else 1.0 for own in shelf.colours]
    looked = dict.fromkeys(dice.choices(shelf.product_ids, weights, k=dice.choice((1, 1, 2, 3))))
    of = dict(zip(shelf.product_ids, shelf.colours, strict=True))
    return sorted(looked, key=lambda product_id: of[product_id] == colour)
