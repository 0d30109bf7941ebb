"""Hostile rows around sound pictures: what each is called, what must become of it, and what is served then."""

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from tests.hostile.pictures import Kind

LAST = 2**63 - 1
ESCAPES = "\x01\t\r\n\x1b[31m\x7f"
NOT_TEXT = b"\xff\xfe\xc0 shoe"
HTML = "<script>alert('1')</script>"
COLUMNS = {
    "product_id": pa.string(),
    "position": pa.int64(),
    "version": pa.int64(),
    "title": pa.string(),
    "category": pa.string(),
    "price": pa.float64(),
    "in_stock": pa.bool_(),
    "attributes": pa.map_(pa.string(), pa.string()),
    "image": pa.binary(),
}


@dataclass(frozen=True, slots=True)
class Row:
    """`values` stand above those of a sound row; `served` are fields of the row in Milvus."""

    name: str
    outcome: str
    values: Mapping[str, Any]
    served: Mapping[str, Any] = field(default_factory=dict)


def ids() -> Iterator[Row]:
    """Strange product ids."""
    refused = {
        "no product id": ("no_id", None),
        "an empty product id": ("no_id", ""),
        "a product id that is not UTF-8": ("no_id", NOT_TEXT),
        "half a surrogate pair as product id": ("no_id", b"\xed\xa0\x80"),
        "a product id of 257 bytes": ("id_too_long", "x" * 257),
        "a product id of 1 MB": ("id_too_long", "x" * 1_000_000),
    }
    yield from (Row(name, outcome, {"product_id": value}) for name, (outcome, value) in refused.items())
    kept = {
        "a product id of 256 bytes": "x" + "鞋" * 85,
        "a product id with slashes": "a/b//c/0",
        "a product id that climbs out of directories": "../../etc/passwd",
        "a product id of control characters": ESCAPES,
        "a product id with a null character": "a\0b",
        "a product id of spaces": "   ",
        "a product id that would end a filter": '" or product_id != "\\',
        "a product id of wildcards": "%_*",
        "a product id that turns the direction of writing": "\u202e\u200b\ufeffabc",
        "a product id of joined emoji": "👩\u200d👩\u200d👧\u200d👦",
        "a product id of HTML": HTML,
    }
    yield from (
        Row(name, "embedded", {"product_id": value}, {"product_id": value, "image_id": f"{value}/0"})
        for name, value in kept.items()
    )


def places() -> Iterator[Row]:
    """Strange positions, versions, and rows that are there twice."""
    yield Row("no position", "bad_position", {"position": None})
    yield Row("a negative position", "bad_position", {"position": -1})
    yield Row("position 32", "too_many_images", {"position": 32})
    yield Row("position 1,099,511,627,776", "too_many_images", {"position": 2**40})
    yield Row("no version: it is 0", "embedded", {"version": None}, {"version": 0})
    yield Row("the lowest version there is", "embedded", {"version": -LAST - 1}, {"version": -LAST - 1})
    yield Row("the highest version there is", "embedded", {"version": LAST}, {"version": LAST})
    yield Row("a row whose product has a higher version elsewhere", "duplicate", {"product_id": "twice", "version": 1})
    yield Row("the row with the higher version", "embedded", {"product_id": "twice", "version": 2}, {"version": 2})
    yield Row("a row whose position comes again", "duplicate", {"product_id": "again", "title": "first"})
    yield Row("the later row of that position", "embedded", {"product_id": "again", "title": "last"}, {"title": "last"})


def facts() -> Iterator[Row]:
    """Strange prices, texts and attributes."""
    unknown = {"price": -1.0}
    prices = {
        "that is not a number": math.nan,
        "without end": math.inf,
        "that is negative": -5.0,
        "that is not there": None,
    }
    for name, price in prices.items():
        yield Row(f"a price {name}: it is unknown, -1", "embedded", {"price": price}, unknown)
    yield Row("a price of 300 digits", "embedded", {"price": 1e300}, {"price": 1e300})
    yield Row("no word whether it is in stock: it is", "embedded", {"in_stock": None}, {"in_stock": True})
    yield Row("no title: it is empty", "embedded", {"title": None}, {"title": ""})
    replaced = NOT_TEXT.decode(errors="replace")
    yield Row("a title that is not UTF-8: it has replacements", "embedded", {"title": NOT_TEXT}, {"title": replaced})
    yield Row("a title of 1 MB: it is cut", "embedded", {"title": "鞋" * 333_333}, {"title": "鞋" * 341})
    yield Row("a title of HTML", "embedded", {"title": HTML}, {"title": HTML})
    yield Row("a title of control characters", "embedded", {"title": ESCAPES + "\0"}, {"title": ESCAPES + "\0"})
    path = "/".join(["level"] * 10_000)
    yield Row("a category of 10,000 levels: it is cut", "embedded", {"category": path}, {"category": path[:512]})
    yield Row(
        "an attribute of 1 MB: it is left out",
        "embedded",
        {"attributes": [("long", "x" * 1_000_000), ("colour", "red")]},
        {"attributes": {"colour": "red"}},
    )
    yield Row(
        "an attribute that is there twice: the last counts",
        "embedded",
        {"attributes": [("colour", "red"), ("colour", "blue"), ("size", None)]},
        {"attributes": {"colour": "blue"}},
    )
    yield Row(
        "10,000 attributes: as many as fit",
        "embedded",
        {"attributes": [(f"key {n:05}", "value") for n in range(10_000)]},
    )


def rows() -> list[Row]:
    """All kinds of rows."""
    return [*ids(), *places(), *facts()]


def of_picture(kind: Kind) -> Row:
    """A sound row with a hostile picture."""
    name, outcome, data = kind
    return Row(name, outcome, {"image": data})


def table(wanted: list[Row]) -> pa.Table:
    """The catalogue of these rows, each but for its strangeness a product of its own."""
    columns = {name: [_value(row, name, number) for number, row in enumerate(wanted)] for name in COLUMNS}
    return pa.table({name: _array(values, COLUMNS[name]) for name, values in columns.items()})


def _value(row: Row, name: str, number: int) -> object:
    sound = {"product_id": f"p{number:03}", "position": 0, "version": 7, "title": row.name, "price": 9.5}
    return row.values.get(name, sound.get(name)) if name != "image" else row.values.get(name, _picture(number))


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if kind != pa.string():
        return pa.array(values, kind)
    raw = pa.array([value.encode() if isinstance(value, str) else value for value in values], pa.binary())
    return pc.cast(raw, options=pc.CastOptions(kind, allow_invalid_utf8=True))


def _picture(number: int) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").rotate(2 * number).resize((40, 40)).save(out, "PNG")
    return out.getvalue()
