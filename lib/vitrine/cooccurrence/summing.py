"""Sums by key within bounded memory, as an executor takes them."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Integers = npt.NDArray[np.int64]

_ROWS_AT_ONCE = 1 << 21
_ROWS_OF_A_BATCH = 1 << 16


class Buffer:
    """Rows that wait to be summed by key: at most some millions, and what was added last."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._parts: list[list[Integers]] = []
        self._size = 0

    @property
    def full(self) -> bool:
        """Whether it should be taken."""
        return self._size >= _ROWS_AT_ONCE

    def add(self, columns: list[Integers]) -> None:
        """Add rows: keys first, then the columns of the schema; those that are left out are 0."""
        rows = len(columns[0])
        missing = len(self._schema) - len(columns)
        self._parts.append([*columns, *(np.zeros(rows, np.int64) for _ in range(missing))])
        self._size += rows

    def taken(self) -> Iterator[pa.RecordBatch]:
        """The sums by key of all that was added since, and nothing is left."""
        parts, self._parts, self._size = self._parts, [], 0
        if not parts:
            return
        keys, *columns = (np.concatenate(of) for of in zip(*parts, strict=True))
        order = np.argsort(keys)
        keys = keys[order]
        starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        summed = [keys[starts], *(np.add.reduceat(column[order], starts) for column in columns)]
        yield from pa.table(summed, schema=self._schema).to_batches(max_chunksize=_ROWS_OF_A_BATCH)


class Distinct:
    """Pairs of items, each counted once in a session however often it comes."""

    def __init__(self) -> None:
        self._table = pa.table({"session": pa.array([], pa.int64()), "pair": pa.array([], pa.int64())})
        self._parts = [self._table]
        self._size = 0

    def add(self, session: Integers, one: Integers, other: Integers) -> None:
        """Add pairs, those of an item with itself left out."""
        differ = one != other
        if not differ.any():
            return
        pair = (np.minimum(one, other) << 32) | np.maximum(one, other)
        self._parts.append(pa.table({"session": session[differ], "pair": pair[differ]}))
        self._size += int(differ.sum())
        if self._size > _ROWS_AT_ONCE:
            self._settle()

    def keys(self) -> Integers:
        """The key of each pair, once for each session that holds it."""
        self._settle()
        return np.asarray(self._table["pair"])

    def _settle(self) -> None:
        self._table = pa.concat_tables(self._parts).group_by(["session", "pair"], use_threads=False).aggregate([])
        self._parts, self._size = [self._table], 0
