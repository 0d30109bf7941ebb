"""A batch of catalogue rows as plain values."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, repeat
from math import isfinite

import pyarrow as pa
import pyarrow.compute as pc

from vitrine.catalog.columns import Layout, is_scalar, plain
from vitrine.catalog.keys import as_ids, as_positions, as_versions
from vitrine.product import UNKNOWN_PRICE, Product

Columns = Mapping[str, pa.Array]


def products(columns: Columns, layout: Layout, *, versions: Sequence[int] | None) -> list[Product]:
    """The product of each row; its id is empty where the row has none that is text.

    `versions`, where given, stand above what the rows say.
    """
    fields = zip(
        [value or "" for value in as_ids(columns[layout.product_id]).to_numpy(zero_copy_only=False)],
        versions if versions is not None else _versions(columns, layout),
        _texts(columns, layout.title),
        _categories(columns, layout),
        _texts(columns, layout.brand),
        _prices(columns, layout.price),
        _in_stock(columns, layout.in_stock),
        _attributes(columns, layout),
        strict=False,
    )
    return [Product(*values) for values in fields]


def positions(columns: Columns, layout: Layout) -> Iterable[int]:
    """The position of each row, -1 where it has none; without end where the catalogue has no positions."""
    if not layout.position:
        return repeat(0)
    positions: list[int] = as_positions(columns[layout.position]).tolist()
    return positions


def texts(column: pa.Array) -> list[str | None]:
    """Strings of a text column; bytes that are not UTF-8 become replacement characters."""
    column = column.cast(plain(column.type)).cast(pa.large_string())
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        raw = column.cast(pa.large_binary()).to_pylist()
        return [None if value is None else value.decode(errors="replace") for value in raw]
    values: list[str | None] = column.to_numpy(zero_copy_only=False).tolist()
    return values


def _versions(columns: Columns, layout: Layout) -> Iterable[int]:
    if not layout.version:
        return repeat(0)
    values: list[int] = as_versions(columns[layout.version]).to_pylist()
    return values


def _texts(columns: Columns, name: str) -> Iterable[str]:
    return [value or "" for value in texts(columns[name])] if name else repeat("")


def _categories(columns: Columns, layout: Layout) -> Iterable[str]:
    if not layout.category:
        return repeat("")
    levels = [texts(columns[name]) for name in layout.category]
    return ["/".join(filter(None, path)) for path in zip(*levels, strict=True)]


def _prices(columns: Columns, name: str) -> Iterable[float]:
    if not name:
        return repeat(UNKNOWN_PRICE)
    values = columns[name].cast(plain(columns[name].type)).cast(pa.float64(), safe=False).to_pylist()
    return [UNKNOWN_PRICE if value is None or not isfinite(value) or value < 0 else value for value in values]


def _in_stock(columns: Columns, name: str) -> Iterable[bool]:
    if not name:
        return repeat(True)
    values: list[bool] = columns[name].cast(pa.bool_()).fill_null(True).to_pylist()
    return values


def _attributes(columns: Columns, layout: Layout) -> list[dict[str, str]]:
    others = [name for name, column in columns.items() if name not in layout.named and is_scalar(column.type)]
    values = [_as_texts(columns[name]) for name in others] or [[None] * len(columns[layout.product_id])]
    filled = [
        {name: value for name, value in zip(others, row, strict=False) if value is not None}
        for row in zip(*values, strict=True)
    ]
    if layout.attributes:
        for attributes, stated in zip(filled, _maps(columns[layout.attributes]), strict=False):
            attributes.update(stated)
    return filled


def _maps(column: pa.Array) -> Iterable[dict[str, str]]:
    if not pa.types.is_map(column.type):
        return repeat({})
    pairs = list(zip(texts(column.keys), _as_texts(column.items), strict=True))
    bounds = zip(pairwise(column.offsets.to_pylist()), column.is_valid().to_pylist(), strict=True)
    listed = (pairs[start:stop] if valid else () for (start, stop), valid in bounds)
    return [{key: value for key, value in row if key and value is not None} for row in listed]


def _as_texts(column: pa.Array) -> list[str | None]:
    column = column.cast(plain(column.type))
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        column = column.cast(pa.timestamp(kind.unit))
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), None, column)
    return texts(column)
