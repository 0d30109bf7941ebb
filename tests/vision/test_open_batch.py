from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vitrine.embedding import Vectors
from vitrine.product import Reason, Reject
from vitrine.vision.loading import Load, side_by_side
from vitrine.vision.open_batch import OpenBatch

BROKEN = Reject(Reason.CORRUPT, "found while it was decoded")
EMPTY = Reject(Reason.MISSING, "found before")


def load(keys: Sequence[int], sizes: Sequence[tuple[int, int] | None], broken: set[int], *, last: bool) -> Load[int]:
    rejects = tuple(
        EMPTY if size is None else BROKEN if key in broken else None for key, size in zip(keys, sizes, strict=True)
    )
    return Load(tuple(keys), rejects, side_by_side(sizes), torch.empty(0), last)


def of_key(key: int) -> Vectors:
    angle = np.float32(key)
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


@given(
    st.lists(st.lists(st.sampled_from([None, (1, 1), (1, 2), (2, 1)]), min_size=1, max_size=6), min_size=1, max_size=4),
    st.sets(st.integers(0, 23)),
)
def test_every_key_gets_the_vector_of_its_picture(rows: list[list[tuple[int, int] | None]], broken: set[int]) -> None:
    batch = OpenBatch[int]()
    order: list[int] = []
    wanted: dict[int, Reject | None] = {}
    for row in rows:
        keys = range(len(wanted), len(wanted) + len(row))
        one = load(keys, row, broken, last=row is rows[-1])
        batch.add(one, [torch.empty(0)] * len(one.groups))
        order += [one.keys[member] for group in one.groups for member in group.members]
        wanted |= zip(one.keys, one.rejects, strict=True)
    assert batch.wanted == (None in wanted.values())
    assert len(batch.squares) == sum(len(set(row) - {None}) for row in rows)
    vectors = np.stack([of_key(key) for key in order]) if order else np.empty((0, 2), np.float32)
    closed = batch.closed(vectors)
    assert closed.keys == tuple(wanted)
    assert closed.rejects == tuple(wanted.values())
    assert closed.vectors.tolist() == [of_key(key).tolist() for key, reject in wanted.items() if reject is None]


def test_a_batch_of_rejects_needs_no_vectors() -> None:
    batch = OpenBatch[int]()
    batch.add(load([0, 1], [None, (1, 1)], {1}, last=True), [torch.empty(0)])
    assert not batch.wanted
    closed = batch.closed(np.empty((0, 2), np.float32))
    assert closed.rejects == (EMPTY, BROKEN)
    assert closed.vectors.shape == (0, 2)


@pytest.mark.parametrize("vector", [[0.0, 0.0], [2.0, 0.0], [np.nan, 0.0]])
def test_a_vector_that_is_no_unit_one_makes_a_reject(vector: list[float]) -> None:
    batch = OpenBatch[int]()
    batch.add(load([5, 6], [(1, 1), (1, 1)], set(), last=True), [torch.empty(0)])
    closed = batch.closed(np.array([vector, [0.0, 1.0]], np.float32))
    assert [reject and reject.reason for reject in closed.rejects] == [Reason.NO_VECTOR, None]
    assert closed.vectors.tolist() == [[0.0, 1.0]]
