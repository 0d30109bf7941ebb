"""Sorted Parquet files read as one sorted stream, a bounded number of rows at a time."""

import heapq
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa

from vitrine.errors import BadInput
from vitrine.index.staged import read

Row = dict[str, Any]


def groups(files: Sequence[str], key: str, columns: Sequence[str]) -> Iterator[tuple[str, Iterator[Row]]]:
    """Each key, in ascending order, with its rows of these columns, in the order of files and rows.

    Each file must be sorted by the key column, a string, as Spark sorts; a key may stand in several files. The rows
    of a key are to be read before the next key is asked for. Rows whose key is null are left out.

    Raises:
        BadInput: a file is not sorted by the key.
    """
    runs = heapq.merge(*(_runs(name, key, columns) for name in files), key=itemgetter(0))
    return ((value, (row for _, rows in same for row in rows)) for value, same in groupby(runs, itemgetter(0)))


def _runs(name: str, key: str, columns: Sequence[str]) -> Iterator[tuple[str, list[Row]]]:
    """Neighbouring rows of one key; the rows of a key may come in several runs."""
    latest = ""
    for batch in read([name], list(dict.fromkeys([key, *columns]))):
        kept: pa.RecordBatch = batch.filter(batch.column(key).is_valid())
        for value, rows in groupby(kept.to_pylist(), itemgetter(key)):
            if value < latest:
                raise BadInput(f"{name} is not sorted by {key}: write it again with sortWithinPartitions")
            latest = value
            yield value, list(rows)
