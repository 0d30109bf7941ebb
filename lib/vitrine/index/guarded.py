"""Writing products into a view that others read: in an order in which a kill at any point loses no version.

A product that has rows states its version by them, so they are written before its ledger row goes or changes. A product
that is to have none states it in the ledger, so that is written before its rows go.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from vitrine.embedding import Vectors
from vitrine.index import ledger, schema
from vitrine.index.collections import Collection
from vitrine.index.ledger import LedgerRow
from vitrine.index.load import ROW_OVERHEAD_BYTES
from vitrine.index.rows import Row
from vitrine.index.store import Store

BYTES_PER_CALL = 4_000_000
"""As `milvus.insert_bytes` is by default."""
KEYS_PER_CALL = 1_000


@dataclass(frozen=True, slots=True)
class Write:
    """What makes a view state one product: its rows with their vectors, the keys that go, and its ledger row.

    Without `ledger` the product's ledger row goes if `in_ledger` says that there is one.
    """

    product_id: str
    rows: tuple[Row, ...] = ()
    gone: tuple[str, ...] = ()
    ledger: LedgerRow | None = None
    in_ledger: bool = False

    @property
    def size_bytes(self) -> int:
        """About what its rows weigh."""
        return sum(map(_row_bytes, self.rows))


def write(
    store: Store,
    collection: Collection,
    writes: Sequence[Write],
    *,
    may_write: Callable[[], None],
    between: Callable[[], None],
) -> None:
    """Write products, each of which must come once; safe to repeat as a whole.

    All rows of a product are in one call, so that pictures may change places. `may_write` is called before each call
    that writes, and stops everything by what it raises; `between` once half of every product is written.
    """
    staying, leaving = [one for one in writes if one.rows], [one for one in writes if not one.rows]
    _write_ledger(store, collection.ledger, leaving, may_write)
    for rows in _calls(staying):
        may_write()
        store.upsert(collection.name, rows)
    _delete(store, collection.name, [key for one in staying for key in one.gone], may_write)
    between()
    _delete(store, collection.name, [key for one in leaving for key in one.gone], may_write)
    _write_ledger(store, collection.ledger, staying, may_write)


def _write_ledger(store: Store, name: str, writes: Sequence[Write], may_write: Callable[[], None]) -> None:
    rows = [ledger.to_row(one.ledger) for one in writes if one.ledger]
    for start in range(0, len(rows), ledger.ROWS_PER_CALL):
        may_write()
        store.upsert(name, rows[start : start + ledger.ROWS_PER_CALL])
    _delete(store, name, [one.product_id for one in writes if one.in_ledger and one.ledger is None], may_write)


def _delete(store: Store, name: str, keys: Sequence[str], may_write: Callable[[], None]) -> None:
    for start in range(0, len(keys), KEYS_PER_CALL):
        may_write()
        store.delete(name, keys[start : start + KEYS_PER_CALL])


def _calls(writes: Iterable[Write]) -> Iterator[list[Row]]:
    rows: list[Row] = []
    size_bytes = 0
    for one in writes:
        if rows and size_bytes + one.size_bytes > BYTES_PER_CALL:
            yield rows
            rows, size_bytes = [], 0
        rows.extend(one.rows)
        size_bytes += one.size_bytes
    if rows:
        yield rows


def _row_bytes(row: Row) -> int:
    texts = sum(len(value) for value in row.values() if isinstance(value, str))
    return ROW_OVERHEAD_BYTES + texts + cast(Vectors, row[schema.VECTOR]).nbytes
