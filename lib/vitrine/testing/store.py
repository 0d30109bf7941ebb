"""A Store without a server."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import cast

import numpy as np

from vitrine.embedding import Vectors
from vitrine.errors import BadInput
from vitrine.index.rows import Row
from vitrine.index.schema import VECTOR, Field, Kind, Layout
from vitrine.index.store import MAX_ROWS, Found, NotThere, Store
from vitrine.testing.dialect import passes

_PLAIN: Mapping[Kind, type] = {Kind.INT32: int, Kind.INT64: int, Kind.BOOL: bool}
_BITS = {Kind.INT32: 31, Kind.INT64: 63}


@dataclass(slots=True)
class _Kept:
    layout: Layout
    description: str
    rows: list[Row] = field(default_factory=list)


class MemoryStore:
    """A Store in memory with the rules of a Milvus server, which Milvus Lite does not keep.

    Byte limits and types hold, a key inserted again makes a second row, and what an alias serves is not dropped.
    Searches are exact. Filters are those that `vitrine.index.filters` writes.
    """

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._aliases: dict[str, str] = {}

    def within(self, timeout_s: float) -> "MemoryStore":
        """See `Store.within`; memory answers at once."""
        return self

    def create(self, collection: str, layout: Layout, *, description: str) -> None:
        """See `Store.create`."""
        if collection in self._kept or collection in self._aliases:
            raise BadInput(f"creating {collection}: the name is taken")
        self._kept[collection] = _Kept(layout, description)

    def insert(self, collection: str, rows: Sequence[Row]) -> None:
        """See `Store.insert`."""
        kept = self._find(collection)
        kept.rows.extend([_checked(row, kept.layout) for row in rows])

    def upsert(self, collection: str, rows: Sequence[Row]) -> None:
        """See `Store.upsert`; a key that comes twice is refused, as servers do from 2.6.8 on."""
        kept = self._find(collection)
        keys = [str(row[kept.layout.key]) for row in rows]
        if len(set(keys)) < len(keys):
            raise BadInput(f"upserting into {collection}: a key comes twice")
        checked = [_checked(row, kept.layout) for row in rows]
        self.delete(collection, keys)
        kept.rows.extend(checked)

    def delete(self, collection: str, keys: Sequence[str]) -> None:
        """See `Store.delete`."""
        kept = self._find(collection)
        gone = set(keys)
        kept.rows = [row for row in kept.rows if row[kept.layout.key] not in gone]

    def prepare(self, collection: str) -> None:
        """See `Store.prepare`."""
        self._find(collection)

    def pending(self, collection: str) -> int:
        """See `Store.pending`."""
        self._find(collection)
        return 0

    def count(self, collection: str) -> int:
        """See `Store.count`."""
        return len(self._find(collection).rows)

    def query(self, collection: str, matching: str, *, fields: Sequence[str], strong: bool = False) -> list[Row]:
        """See `Store.query`."""
        rows = list(filter(passes(matching), self._find(collection).rows))
        return [{name: row[name] for name in fields} for row in rows[:MAX_ROWS]]

    def scan(self, collection: str, *, fields: Sequence[str]) -> Iterator[Row]:
        """See `Store.scan`."""
        return ({name: row[name] for name in fields} for row in list(self._find(collection).rows))

    def search(
        self,
        collection: str,
        vectors: Vectors,
        limit: int,
        *,
        fields: Sequence[str],
        matching: str = "",
        strong: bool = False,
    ) -> list[list[Found]]:
        """See `Store.search`."""
        if limit > MAX_ROWS:
            raise BadInput(f"searching {collection}: at most {MAX_ROWS} rows")
        rows = list(filter(passes(matching), self._find(collection).rows))
        if not rows:
            return [[] for _ in vectors]
        scores = _unit(vectors) @ _unit(np.asarray([row[VECTOR] for row in rows], dtype=np.float32)).T
        orders = np.argsort(-scores, axis=1, kind="stable")[:, :limit]
        return [
            [(float(scores[query, i]), {name: rows[i][name] for name in fields}) for i in order]
            for query, order in enumerate(orders)
        ]

    def version(self) -> str:
        """See `Store.version`."""
        return "MemoryStore"

    def collections(self) -> list[str]:
        """See `Store.collections`."""
        return sorted(self._kept)

    def description(self, collection: str) -> str:
        """See `Store.description`."""
        return self._find(collection).description

    def resolve(self, alias: str) -> str | None:
        """See `Store.resolve`."""
        return self._aliases.get(alias)

    def aliases(self, collection: str) -> list[str]:
        """See `Store.aliases`."""
        return sorted(alias for alias, served in self._aliases.items() if served == collection)

    def point(self, alias: str, collection: str) -> None:
        """See `Store.point`."""
        self._find(collection)
        if alias in self._kept:
            raise BadInput(f"{alias} is a collection, not an alias: choose another milvus.alias")
        self._aliases[alias] = collection

    def drop(self, collection: str) -> None:
        """See `Store.drop`."""
        if aliases := self.aliases(collection):
            raise BadInput(f"{collection} is served as {', '.join(aliases)}: it is not dropped")
        self._kept.pop(collection, None)

    def close(self) -> None:
        """See `Store.close`; the rows stay."""

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _find(self, collection: str) -> _Kept:
        if collection not in self._kept:
            raise NotThere(f"there is no collection {collection}")
        return self._kept[collection]


def _checked(row: Row, layout: Layout) -> Row:
    if row.keys() != set(layout.names):
        raise BadInput(f"a row must have exactly the fields {', '.join(layout.names)}")
    return {wanted.name: _value(row[wanted.name], wanted, layout.dim) for wanted in layout.fields}


def _value(value: object, wanted: Field, dim: int) -> object:
    match wanted.kind:
        case Kind.VARCHAR:
            fits = isinstance(value, str) and len(value.encode()) <= wanted.max_bytes
        case Kind.JSON:
            fits = isinstance(value, str) and len(value.encode()) <= wanted.max_bytes
            value = _decoded(cast(str, value)) if fits else value
        case Kind.FLOAT_VECTOR:
            value = np.asarray(value, dtype=np.float32)
            fits = value.shape == (dim,) and bool(np.isfinite(value).all())
        case Kind.DOUBLE:
            fits = isinstance(value, float | int) and math.isfinite(value)
        case _:
            bits = _BITS.get(wanted.kind, 1)
            fits = type(value) is _PLAIN[wanted.kind] and -(2**bits) <= cast(int, value) < 2**bits
    if not fits:
        raise BadInput(f"field {wanted.name} does not take {str(value)[:40]!r}")
    return value


def _decoded(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(f"not JSON: {text[:40]!r}") from error


def _unit(vectors: Vectors) -> Vectors:
    return cast(Vectors, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
