"""The ledger: what must be known of products for which no rows can speak."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from vitrine.index import schema
from vitrine.index.rows import Row, quoted
from vitrine.index.store import Store
from vitrine.product import MAX_IMAGES, deletion_wins

Missing = tuple[int, str, str]

IMAGES = "images"
"""Milvus 2.3 takes only objects as JSON, so the list of missing pictures stands below this key."""
EVENT = "event"
"""Key beside it of what a listing event said."""
MISSING_MAX_BYTES = (schema.JSON_MAX_BYTES - len(f'{{"{IMAGES}":[]}}')) // MAX_IMAGES - len(",")
ROWS_PER_CALL = 500


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """An exception: a product that is deleted, has no usable picture, or lacks some.

    `missing` holds (position, sha256 or uri, reason) of pictures that could not be had. `statement` is the JSON of the
    listing event that named them, from which the product is stated again when they come; empty where there is none.
    """

    product_id: str
    version: int
    deleted: bool = False
    missing: tuple[Missing, ...] = ()
    statement: str = ""


def to_row(stated: LedgerRow) -> Row:
    """The row as Milvus keeps it; of `missing` the lowest 32 positions, addresses cut until the JSON fits.

    A statement that does not fit beside them is left out.
    """
    entries = ",".join(_entry(*missing) for missing in sorted(stated.missing)[:MAX_IMAGES])
    lacking = f'{{"{IMAGES}":[{entries}]}}'
    whole = f'{lacking[:-1]},"{EVENT}":{quoted(stated.statement)}}}' if stated.statement else lacking
    return {
        schema.PRODUCT_ID: stated.product_id,
        schema.VERSION: stated.version,
        schema.DELETED: stated.deleted,
        schema.MISSING: whole if len(whole.encode()) <= schema.JSON_MAX_BYTES else lacking,
        schema.VECTOR: list(schema.CONSTANT_VECTOR),
    }


def from_row(row: Row) -> LedgerRow:
    """Inverse of `to_row`, of a row as a Store returns it: JSON decoded."""
    stated = cast(dict[str, Any], row[schema.MISSING])
    return LedgerRow(
        product_id=cast(str, row[schema.PRODUCT_ID]),
        version=cast(int, row[schema.VERSION]),
        deleted=cast(bool, row[schema.DELETED]),
        missing=tuple((position, what, reason) for position, what, reason in stated[IMAGES]),
        statement=stated.get(EVENT, ""),
    )


def merge(previous: LedgerRow, new: LedgerRow) -> LedgerRow:
    """Which of two statements of one product stands: the higher version; of equal ones a delete, else the new."""
    if previous.version > new.version:
        return previous
    if previous.deleted and deletion_wins(new.version, previous.version):
        return previous
    return new


def merged(previous: Iterable[LedgerRow], new: Iterable[LedgerRow]) -> list[LedgerRow]:
    """One row for each product of either ledger, merged where both speak; sorted by product."""
    rows: dict[str, LedgerRow] = {}
    for stated in (*previous, *new):
        known = rows.get(stated.product_id)
        rows[stated.product_id] = merge(known, stated) if known else stated
    return [rows[product_id] for product_id in sorted(rows)]


def write(store: Store, ledger: str, rows: Iterable[LedgerRow]) -> int:
    """Insert rows, one a product, into an empty ledger collection; returns how many."""
    waiting = [to_row(stated) for stated in rows]
    for start in range(0, len(waiting), ROWS_PER_CALL):
        store.insert(ledger, waiting[start : start + ROWS_PER_CALL])
    return len(waiting)


def read(store: Store, ledger: str) -> Iterator[LedgerRow]:
    """All rows of a ledger collection, in no order."""
    fields = [name for name in schema.LEDGER.names if name != schema.VECTOR]
    return (from_row(row) for row in store.scan(ledger, fields=fields))


def _entry(position: int, what: str, reason: str) -> str:
    text = what.encode("utf-8", "replace").decode()
    while len(entry := _json([position, text, reason])) > MISSING_MAX_BYTES:
        text = text[: len(text) * MISSING_MAX_BYTES // (len(entry) + 1) - 1]
    return entry.decode()


def _json(entry: list[object]) -> bytes:
    return json.dumps(entry, ensure_ascii=False).encode()
