"""What a new collection must show before the alias moves; each check raises GateFailed with its name."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vitrine.embedding import Vectors
from vitrine.errors import GateFailed
from vitrine.index import schema
from vitrine.index.filters import where
from vitrine.index.staged import count_rows, read, vectors
from vitrine.index.store import Found, Store

Indices = NDArray[np.int64]

UNIQUE = "unique"
COUNT = "count"
RECALL = "recall"
CANARIES = "canaries"

TIE = 1e-4
"""Scores this close are the same: what two batches of one picture may differ by (DESIGN.md section 3.6)."""
OWN_COSINE = 0.99
"""Least cosine between a picture's row and the picture embedded again, whatever the precision of either."""
TIE_EXACT = 1e-6
"""Rounding between two products of the same vectors."""
QUERIES_PER_CALL = 100
SHOWN = 3


def unique(files: Sequence[str]) -> None:
    """Staged rows have each image_id once; imports and inserts would keep the second row."""
    ids = pa.chunked_array((batch.column(0) for batch in read(files, [schema.IMAGE_ID])), pa.string())
    counts = pc.value_counts(ids)
    repeated = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        some = ", ".join(repeated.field("values").slice(0, SHOWN).to_pylist())
        raise GateFailed(UNIQUE, f"{len(repeated)} image ids are staged more than once, such as {some}")


class Surplus(GateFailed):
    """There are more rows than were meant to be: another load may do better."""

    retriable = True


def count(store: Store, collection: str, expected: int) -> None:
    """The collection holds exactly the expected number of rows.

    Raises:
        Surplus: it holds more, as when an insert whose answer was lost was sent again.
        GateFailed: it holds fewer.
    """
    found = store.count(collection)
    if found != expected:
        failed = Surplus if found > expected else GateFailed
        raise failed(COUNT, f"{collection} holds {found} rows, {expected} were expected")


def recall(
    store: Store,
    collection: str,
    files: Sequence[str],
    *,
    threshold: float,
    sample: int,
    k: int = 10,
    seed: int = 0,
) -> float:
    """Recall@k of the index, over `sample` staged rows as queries, against exact neighbours among all staged rows.

    A query's own row does not count; a row that scores as well as the k-th exact neighbour does.
    Returns the mean; 1 where there is nothing to compare. Memory: a batch of rows by `sample` scores.
    """
    ids, queries = _sample(files, sample, seed)
    k = min(k, count_rows(files) - 1)
    if k < 1:
        return 1.0
    found = [
        _others(hits, own, k) for own, hits in zip(ids, _search(store, collection, queries, limit=k + 1), strict=True)
    ]
    distinct = sorted({image_id for answer in found for image_id in answer})
    least, scores = _exact(files, queries, own=ids, wanted=distinct, k=k)
    slots = {image_id: slot for slot, image_id in enumerate(distinct)}
    hits = sum(
        int(scores[query, slots[image_id]] >= least[query] - TIE_EXACT)
        for query, answer in enumerate(found)
        for image_id in answer
    )
    share = hits / (len(ids) * k)
    if share < threshold:
        raise GateFailed(RECALL, f"recall@{k} of {collection} is {share:.3f}, at least {threshold} is needed")
    return share


def canaries(store: Store, collection: str, pictures: Mapping[str, Vectors]) -> None:
    """Pictures that were embedded again alone find their own row, or one as good.

    `pictures` maps image_id to its (dim,) unit vector. The score of a picture's own row is looked up exactly:
    how well the index finds it is for `recall` to say.
    """
    ids = list(pictures)
    for start in range(0, len(ids), QUERIES_PER_CALL):
        some = ids[start : start + QUERIES_PER_CALL]
        queries = np.stack([pictures[image_id] for image_id in some])
        rows = store.query(
            collection, where(schema.IMAGE_ID, some), fields=[schema.IMAGE_ID, schema.VECTOR], strong=True
        )
        stored = {row[schema.IMAGE_ID]: np.asarray(row[schema.VECTOR], dtype=np.float32) for row in rows}
        best = store.search(collection, queries, 1, fields=[schema.IMAGE_ID], strong=True)
        for image_id, query, hits in zip(some, queries, best, strict=True):
            if image_id not in stored:
                raise GateFailed(CANARIES, f"{image_id} has no row")
            _check_canary(image_id, query, stored=stored[image_id], hits=hits)


def _check_canary(image_id: str, query: Vectors, *, stored: Vectors, hits: Sequence[Found]) -> None:
    own = float(query @ stored) / float(np.linalg.norm(stored))
    if own < OWN_COSINE:
        raise GateFailed(CANARIES, f"{image_id}, embedded again, has cosine {own:.4f} with its own row")
    if hits and own < hits[0][0] - TIE:
        other = hits[0][1][schema.IMAGE_ID]
        raise GateFailed(CANARIES, f"{image_id}, embedded again, finds {other} before itself")


def _sample(files: Sequence[str], sample: int, seed: int) -> tuple[list[str], Vectors]:
    total = count_rows(files)
    chosen = np.sort(np.random.default_rng(seed).choice(total, min(sample, total), replace=False))
    ids: list[str] = []
    queries: list[Vectors] = []
    start = 0
    for batch in read(files, [schema.IMAGE_ID, schema.VECTOR]):
        rows = chosen[(chosen >= start) & (chosen < start + len(batch))] - start
        ids += batch.column(schema.IMAGE_ID).take(pa.array(rows)).to_pylist()
        queries.append(vectors(batch)[rows])
        start += len(batch)
    return ids, np.concatenate(queries)


def _search(store: Store, collection: str, queries: Vectors, *, limit: int) -> list[list[str]]:
    found: list[list[str]] = []
    for start in range(0, len(queries), QUERIES_PER_CALL):
        some = queries[start : start + QUERIES_PER_CALL]
        answers = store.search(collection, some, limit, fields=[schema.IMAGE_ID], strong=True)
        found += [[str(row[schema.IMAGE_ID]) for _, row in hits] for hits in answers]
    return found


def _others(found: Sequence[str], own: str, k: int) -> list[str]:
    return [image_id for image_id in dict.fromkeys(found) if image_id != own][:k]


def _exact(
    files: Sequence[str], queries: Vectors, *, own: Sequence[str], wanted: Sequence[str], k: int
) -> tuple[Vectors, Vectors]:
    """Score of each query's k-th best row other than its own, (n,), and its scores with the `wanted` rows, (n, m)."""
    best = np.full((len(queries), k), -np.inf, dtype=np.float32)
    scores_of = np.full((len(queries), len(wanted)), -np.inf, dtype=np.float32)
    for batch in read(files, [schema.IMAGE_ID, schema.VECTOR]):
        scores = queries @ vectors(batch).T
        rows, slots = _matches(batch.column(schema.IMAGE_ID), wanted)
        scores_of[:, slots] = scores[:, rows]
        rows, asking = _matches(batch.column(schema.IMAGE_ID), own)
        scores[asking, rows] = -np.inf
        best = np.partition(np.concatenate([best, scores], axis=1), -k, axis=1)[:, -k:]
    return best.min(axis=1), scores_of


def _matches(ids: pa.Array, wanted: Sequence[str]) -> tuple[Indices, Indices]:
    """Which rows of `ids` are wanted, and as which of the wanted."""
    slots = pc.index_in(ids, pa.array(wanted, ids.type))
    rows = np.flatnonzero(slots.is_valid().to_numpy(zero_copy_only=False))
    return rows, slots.drop_null().to_numpy().astype(np.int64)
