"""The best items of each history: score = weights of the history x table of the items."""

import numpy as np
from scipy.sparse import csr_array

from vitrine.ranking import NOTHING, Figures, Indices

BLOCK_CASES = 1_024


def best(weights: csr_array, table: csr_array, order: Indices, k: int, *, seen: csr_array | None = None) -> Indices:
    """The `k` best items of each row of `weights`, (n, k), `NOTHING` where there are no more.

    `weights` is (n, items), `table` (items, items). Higher scores first, equal ones by item; then the items without a
    score as they stand in `order` (items,); then negative scores. What `seen` (n, items) holds is left out, whatever
    its value.
    """
    lists = np.full((weights.shape[0], k), NOTHING, dtype=np.int64)
    barred = np.zeros(table.shape[1], dtype=bool)
    for start in range(0, len(lists), BLOCK_CASES):
        scores = csr_array(weights[start : start + BLOCK_CASES] @ table)
        for row in range(scores.shape[0]):
            had = _columns(seen, start + row) if seen is not None else order[:0]
            span = slice(scores.indptr[row], scores.indptr[row + 1])
            barred[had] = True
            found = _best_of(scores.indices[span], scores.data[span], order, k, barred)
            lists[start + row, : len(found)] = found
            barred[had] = False
    return lists


def _columns(matrix: csr_array, row: int) -> Indices:
    return matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]  # type: ignore[no-any-return]


def _best_of(
    items: Indices, scores: Figures, order: Indices, k: int, barred: "np.ndarray[tuple[int], np.dtype[np.bool_]]"
) -> Indices:
    open_to = (scores != 0) & ~barred[items]
    items, scores = items[open_to], scores[open_to]
    positive = scores > 0
    found = _sorted(items[positive], scores[positive], k)
    if len(found) == k:
        return found
    taken = len(items) + int(np.count_nonzero(barred))
    without = order[: k + taken]
    without = without[~barred[without] & ~np.isin(without, items)]
    negative = _sorted(items[~positive], scores[~positive], k)
    return np.concatenate([found, without, negative])[:k]


def _sorted(items: Indices, scores: Figures, k: int) -> Indices:
    if len(scores) > k:
        top = scores >= np.partition(scores, -k)[-k]
        items, scores = items[top], scores[top]
    return items[np.lexsort((items, -scores))][:k]
