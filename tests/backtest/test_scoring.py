"""Lists made from sparse tables, against dense ones sorted whole."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array

from vitrine.backtest import scoring
from vitrine.backtest.scoring import best
from vitrine.ranking import NOTHING

few = st.sampled_from([0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 0.5, -1.0])


def dense(weights: np.ndarray, table: np.ndarray, order: list[int], k: int, seen: np.ndarray | None) -> list[list[int]]:
    """Every item scored and sorted: by score, equal ones by number, those without a score as in `order`."""
    found = []
    for row, scores in enumerate(weights @ table):
        allowed = [item for item in range(len(scores)) if seen is None or not seen[row, item]]
        ranked = sorted(allowed, key=lambda item: (-scores[item], order.index(item) if scores[item] == 0 else item))
        found.append((ranked + [NOTHING] * k)[:k])
    return found


@given(arrays(float, (3, 6), elements=few), arrays(float, (6, 6), elements=few), st.permutations(range(6)), st.data())
def test_lists_are_those_of_the_whole_dense_table(
    weights: np.ndarray, table: np.ndarray, order: list[int], data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, 8))
    seen = data.draw(st.none() | arrays(bool, (3, 6)))
    sparse = None if seen is None else csr_array(seen.astype(float))
    found = best(csr_array(weights), csr_array(table), np.array(order), k, seen=sparse)
    assert found.tolist() == dense(weights, table, order, k, seen)


def test_many_cases_are_scored_in_blocks() -> None:
    generator = np.random.default_rng(3)
    weights = generator.random((2 * scoring.BLOCK_CASES + 3, 5))
    table = generator.random((5, 5))
    found = best(csr_array(weights), csr_array(table), np.arange(5), 2)
    assert found.tolist() == np.argsort(-(weights @ table), axis=1)[:, :2].tolist()


def test_a_seen_item_of_no_weight_is_left_out() -> None:
    seen = csr_array((np.array([0.0]), (np.array([0]), np.array([1]))), shape=(1, 2))
    assert best(csr_array([[1.0, 0.0]]), csr_array([[0.0, 1.0], [0, 0]]), np.arange(2), 2, seen=seen).tolist() == [
        [0, NOTHING]
    ]
