"""A view in memory for the reference: it keeps what Milvus 2.3.5 keeps, and what a Bounded reader still sees."""

from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]
Tables = tuple[dict[str, Row], dict[str, Row]]


class MemoryView:
    """Rows by key and ledger by product; each write leaves the tables before it readable as `past`."""

    def __init__(self) -> None:
        self.now: Tables = ({}, {})
        self.past: list[Tables] = [self.now]

    def upsert(self, rows: Iterable[Row]) -> None:
        """Put rows in; of two with one key the first stays, as Milvus 2.3.5 does it."""
        fresh: dict[str, Row] = {}
        for row in rows:
            fresh.setdefault(row["image_id"], row)
        self._become(({**self.now[0], **fresh}, self.now[1]))

    def delete(self, keys: Iterable[str]) -> None:
        """Take rows out."""
        gone = set(keys)
        self._become(({key: row for key, row in self.now[0].items() if key not in gone}, self.now[1]))

    def note(self, product_id: str, row: Row | None) -> None:
        """Put a row into the ledger, or take it out."""
        ledger = {key: kept for key, kept in self.now[1].items() if key != product_id}
        self._become((self.now[0], ledger | ({product_id: row} if row else {})))

    def stated(self, product_id: str, *, writes_ago: int = 0) -> tuple[dict[int, Row], Row | None]:
        """Rows by position and the ledger row of a product, as they were that many writes ago."""
        rows, ledger = self.past[max(0, len(self.past) - 1 - writes_ago)]
        return {row["position"]: row for row in rows.values() if row["product_id"] == product_id}, ledger.get(
            product_id
        )

    def _become(self, tables: Tables) -> None:
        self.now = tables
        self.past.append(tables)
