"""A demo catalogue: drawn products as Parquet, some of them broken, and new views to search with."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vitrine.rendering.listings import Listing, listing, spoiled
from vitrine.rendering.looks import look
from vitrine.rendering.painting import draw, jpeg

ROW_GROUP_PRODUCTS = 100
NEW_VIEW = 9  # the catalogue shows views 0 to 3
QUERIES = 3

SCHEMA = pa.schema(
    {
        "product_id": pa.string(),
        "images": pa.list_(pa.binary()),
        "updated_at": pa.timestamp("us", tz="UTC"),
        "title": pa.string(),
        "category": pa.string(),
        "brand": pa.string(),
        "price": pa.float64(),
        "in_stock": pa.bool_(),
        "attributes": pa.map_(pa.string(), pa.string()),
    }
)


@dataclass(frozen=True, slots=True)
class DemoCatalog:
    """What was written: `products` rows of Parquet with `pictures` that can be embedded and `broken` that cannot.

    Counted one a picture, a product without any as one, the catalogue has `pictures + broken` rows.
    A query is the id of the product that should be found first and, as JPEG, a view of it that is not in the catalogue;
    they ask for the products that have the most pictures.
    """

    path: Path
    products: int
    pictures: int
    broken: int
    queries: tuple[tuple[str, bytes], ...]


def write_demo_catalog(directory: Path, *, products: int = 600, broken: int = 12, seed: int = 7) -> DemoCatalog:
    """Draw `products` products and write them to `directory`/catalog.parquet; same arguments, same content.

    In `broken` of them, spread evenly, one row cannot be used; up to 12, each for another cause.
    """
    dice = random.Random(seed)
    looks = [look(seed * 1_000 + number) for number in range(products)]
    listings = [listing(number, looks[number], dice) for number in range(products)]
    wrong = {products * (2 * kind + 1) // (2 * broken): kind for kind in range(broken)}
    for number, kind in wrong.items():
        listings[number] = spoiled(listings[number], kind, looks[number])
    sound = (number for number in range(products) if number not in wrong)
    asked = sorted(sound, key=lambda number: -listings[number].usable)[:QUERIES]
    return DemoCatalog(
        path=_write(directory / "catalog.parquet", listings),
        products=products,
        pictures=sum(entry.usable for entry in listings),
        broken=len(wrong),
        queries=tuple((listings[n].product_id, jpeg(draw(looks[n], view=NEW_VIEW))) for n in asked),
    )


def _write(path: Path, listings: Sequence[Listing]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {name: [getattr(entry, name) for entry in listings] for name in SCHEMA.names if name != "attributes"}
    columns["attributes"] = [list(entry.attributes.items()) for entry in listings]
    pq.write_table(
        pa.table(columns, schema=SCHEMA),
        path,
        row_group_size=ROW_GROUP_PRODUCTS,
        compression={name: "none" if name == "images" else "zstd" for name in SCHEMA.names},
        use_dictionary=[name for name in SCHEMA.names if name != "images"],
    )
    return path
