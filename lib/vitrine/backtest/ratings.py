"""The protocol of ratings: a quarter of each user's, or each item's, is the test (recommenders-team, SAR)."""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from vitrine.backtest.cases import Cases, Histories
from vitrine.backtest.items import distinct, numbers
from vitrine.errors import BadInput
from vitrine.ranking import Figures, Indices
from vitrine.storage import directory

HALF_LIFE_S = 30 * 86_400
TRAIN_SHARE = 0.75

_ROW = re.compile(r"(got \d+):.*", re.DOTALL)  # what follows is the row itself, with its user
COLUMNS = {"user": pa.string(), "item": pa.string(), "rating": pa.float64(), "timestamp": pa.float64()}


@dataclass(frozen=True, slots=True)
class Ratings:
    """Ratings in the order of their file: `user` and `item` number `users` and `items`, all else is (n,)."""

    users: pa.Array
    items: pa.Array
    user: Indices
    item: Indices
    rating: Figures
    timestamp: Figures


def read(path: str) -> Ratings:
    """Ratings of a tab-separated file (path or URI): user, item, rating, timestamp in epoch seconds.

    A first line whose last two fields are no numbers is a header.

    Raises:
        BadInput: the file is not there, is empty, or has a line that is not of that form; the text names the row.
    """
    place = directory(path)
    try:
        with place.filesystem.open_input_stream(place.root) as stream:
            content = stream.read()
        header = _is_header(content)
        table = csv.read_csv(
            pa.BufferReader(content),
            csv.ReadOptions(column_names=list(COLUMNS), skip_rows=int(header), use_threads=False),
            csv.ParseOptions(delimiter="\t", quote_char=False),
            csv.ConvertOptions(column_types=COLUMNS, strings_can_be_null=False),
        )
    except (OSError, pa.ArrowInvalid) as error:
        reason = _ROW.sub(r"\1", str(error).split(". Detail:")[0])
        raise BadInput(f"cannot read the ratings {path}: {reason}: want user, item, rating, timestamp") from error
    if not table.num_rows:
        raise BadInput(f"the ratings {path} hold no rows")
    numeric = [np.asarray(table[name].combine_chunks().fill_null(np.nan)) for name in ("rating", "timestamp")]
    if len(bad := np.flatnonzero(~np.isfinite(numeric).all(axis=0))):
        raise BadInput(f"rating or timestamp is no number in row {bad[0] + 1 + header} of the ratings {path}")
    users, items = distinct(table["user"]), distinct(table["item"])
    return Ratings(users, items, numbers(table["user"], users), numbers(table["item"], items), *numeric)


def _is_header(content: bytes) -> bool:
    rating_and_time = content.partition(b"\n")[0].split(b"\t")[2:4]
    return bool(rating_and_time) and not any(map(_is_number, rating_and_time))


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def in_train(ratings: Ratings, by: Literal["user", "item"], *, seed: int) -> NDArray[np.bool_]:
    """Which rows are for training, (n,): the first `round(0.75 x size)` of each group, in an order drawn by `seed`.

    One draw of numpy's legacy generator for each row in the order of the file; rows of a group go by their draws, and
    `round` is Python's, which takes halves to the even number.
    """
    group = ratings.user if by == "user" else ratings.item
    draws = np.random.RandomState(seed).rand(len(group))
    order = np.lexsort((draws, group))
    sizes = np.bincount(group)
    starts = np.cumsum(sizes) - sizes
    rank = np.empty(len(group), dtype=np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(starts, sizes) + 1
    return np.asarray(rank <= np.round(TRAIN_SHARE * sizes)[group], dtype=bool)


def affinity(ratings: Ratings, train: NDArray[np.bool_]) -> Figures:
    """Each rating, halved for every 30 days before the newest one of `train`, (n,); newer ones count as that one."""
    age_s = ratings.timestamp[train].max() - ratings.timestamp
    return np.asarray(ratings.rating * np.minimum(1.0, 0.5 ** (age_s / HALF_LIFE_S)))


def cases(ratings: Ratings, train: NDArray[np.bool_], items: pa.Array) -> Cases:
    """A case for each user of both parts, users in order: their training rows, and all their test rows as relevant.

    `items` are those of the training part; an item that is rated twice in the test part is relevant twice.
    """
    both = np.intersect1d(ratings.user[train], ratings.user[~train])
    number = np.full(len(ratings.users), -1)
    number[both] = np.arange(len(both))
    column = numbers(ratings.items, items)[ratings.item]
    case, weights = number[ratings.user], affinity(ratings, train)
    known, wanted = train & (case >= 0), ~train & (case >= 0)
    newest = np.lexsort((-column[known], -ratings.timestamp[known], case[known]))
    back = np.empty(len(newest), dtype=np.int64)
    sizes = np.bincount(case[known], minlength=len(both))
    back[newest] = np.arange(len(newest)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return Cases(
        Histories(case[known], column[known], back, weights[known]), case[wanted], column[wanted], np.arange(len(both))
    )
