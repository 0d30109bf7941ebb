"""Listings: what a made-up shop says of a drawn product, and the ways in which it gets one wrong."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from PIL import Image

from vitrine.product import MAX_PRODUCT_ID_BYTES
from vitrine.rendering.broken import BROKEN_PICTURES
from vitrine.rendering.looks import Look
from vitrine.rendering.painting import draw, jpeg, png, webp
from vitrine.rendering.patterns import PATTERNS

BRANDS = ("Northlight", "Maple & Pine", "Kestrel", "青禾", "Ostra", "Lumen", "云上", "Fjord", "Tandem", "Ardea")
MATERIALS = {"Apparel": "cotton", "Footwear": "leather", "Accessories": "canvas", "Home": "ceramic"}
FIRST_CHANGE = datetime(2026, 11, 1, 8, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Listing:
    """A row of the catalogue; `usable` of its pictures can be embedded."""

    product_id: str
    images: tuple[bytes | None, ...]
    usable: int
    updated_at: datetime
    title: str
    category: str
    brand: str
    price: float
    in_stock: bool
    attributes: dict[str, str]


def listing(number: int, look: Look, dice: random.Random) -> Listing:
    """The listing of product `number`, with 1 to 4 views of it as JPEG, or now and then PNG or WebP."""
    views = dice.choice((1, 1, 1, 1, 2, 2, 3, 4))
    encode = {4: png, 7: webp}.get(number % 9, jpeg)
    department = look.shape.category.partition("/")[0]
    return Listing(
        product_id=f"P{number:05}",
        images=tuple(encode(draw(look, view=view)) for view in range(views)),
        usable=views,
        updated_at=FIRST_CHANGE + timedelta(minutes=dice.randrange(20_000)),
        title=_title(number, look),
        category=look.shape.category,
        brand=dice.choice(BRANDS),
        price=round(dice.uniform(4, 240), 2),
        in_stock=dice.random() < 0.85,
        attributes={"colour": look.colour.name, "pattern": look.pattern, "material": MATERIALS[department]},
    )


def spoiled(listing: Listing, kind: int, look: Look) -> Listing:
    """The same listing with one thing wrong that costs exactly one row; `kind` counts the ways, round and round.

    The last picture is broken, or there are no pictures, or the product id is too long.
    """
    ways: tuple[Callable[[Listing, Image.Image], Listing], ...] = (
        *(_with_last(broken) for broken in BROKEN_PICTURES.values()),
        lambda listing, _: replace(listing, images=(), usable=0),
        lambda listing, _: replace(
            listing,
            product_id=listing.product_id.ljust(MAX_PRODUCT_ID_BYTES + 1, "x"),
            images=listing.images[:1],
            usable=0,
        ),
    )
    return ways[kind % len(ways)](listing, draw(look))


def _with_last(broken: Callable[[Image.Image], bytes | None]) -> Callable[[Listing, Image.Image], Listing]:
    def spoil(listing: Listing, picture: Image.Image) -> Listing:
        return replace(listing, images=(*listing.images[:-1], broken(picture)), usable=listing.usable - 1)

    return spoil


def _title(number: int, look: Look) -> str:
    """English for six in ten, Chinese for three, both for one."""
    english = f"{look.pattern.capitalize()} {look.shape.name} in {look.colour.name} and {look.accent.name}"
    chinese = f"{look.colour.chinese}{PATTERNS[look.pattern].chinese}{look.shape.chinese}"
    language = number * 7 % 10
    return english if language < 6 else chinese if language < 9 else f"{english} {chinese}"
