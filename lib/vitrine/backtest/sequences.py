"""The protocol of sequences: of each user's history the last item is the test (S3-Rec, ICLRec)."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vitrine.backtest.cases import Cases, Histories
from vitrine.backtest.items import distinct, numbers
from vitrine.errors import BadInput
from vitrine.ranking import Indices
from vitrine.storage import directory

COLUMNS = ("user_id", "position", "item_id")


@dataclass(frozen=True, slots=True)
class Sequences:
    """Histories, a row an item, users one after another and each in time order.

    `user` and `item` number `users` and `items`, an item that the training part does not hold is -1; `left` is how
    many of the user's items come after the row. All (n,).
    """

    users: pa.Array
    items: pa.Array
    user: Indices
    item: Indices
    left: Indices


def read(path: str) -> Sequences:
    """Histories of a Parquet file (path or URI) with columns user_id, position, item_id; rows in any order.

    Raises:
        BadInput: the file cannot be read, lacks a column, is empty, or has a row without a value.
    """
    place = directory(path)
    try:
        table = pq.read_table(place.root, filesystem=place.filesystem)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).split(". Detail:")[0]
        raise BadInput(f"cannot read the sequences {path}: {reason}") from error
    if missing := [name for name in COLUMNS if name not in table.column_names]:
        raise BadInput(f"the sequences {path} have no column {missing[0]}")
    if not table.num_rows or any(column.null_count for column in table.columns):
        raise BadInput(f"the sequences {path} hold {'an empty value' if table.num_rows else 'no rows'}")
    users, items = distinct(table["user_id"]), distinct(table["item_id"])
    user, item = numbers(table["user_id"], users), numbers(table["item_id"], items)
    order = np.lexsort((np.asarray(table["position"]), user))
    user, item = user[order], item[order]
    ends = np.cumsum(np.bincount(user))
    return Sequences(users, items, user, item, ends[user] - 1 - np.arange(len(user)))


def cases(sequences: Sequences, held: int) -> Cases:
    """A case for each user with anything left to know: `held` 0 tests the last item, 1 the one before it (validation).

    All items are candidates: the table of them is numbered as `sequences.items`.
    """
    known, wanted = sequences.left > held, sequences.left == held
    has_history = np.intersect1d(sequences.user[known], sequences.user[wanted])
    number = np.full(len(sequences.users), -1)
    number[has_history] = np.arange(len(has_history))
    case = number[sequences.user]
    wanted &= case >= 0
    known &= sequences.item >= 0
    back = sequences.left[known] - held - 1
    history = Histories(case[known], sequences.item[known], back, np.ones(len(back)))
    return Cases(history, case[wanted], sequences.item[wanted], np.arange(len(has_history)))
