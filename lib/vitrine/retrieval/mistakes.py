"""The surest mistakes of a model: queries whose nearest picture has another label."""

from dataclasses import dataclass

import numpy as np

from vitrine.retrieval.bout import NOTHING, Bout

SHOWN = 12
NEIGHBOURS = 8


@dataclass(frozen=True, slots=True)
class Mistake:
    """A query and its neighbours, best first: places on their sides, and cosines."""

    query: int
    found: tuple[tuple[int, float], ...]


def mistakes(bout: Bout, column: str) -> tuple[Mistake, ...]:
    """Up to 12 of the queries that have a right answer, those with the nearest wrong one first."""
    wanted, there = bout.labels(column)
    nearest = bout.nearest(column, NEIGHBOURS)
    wrong = bout.answerable(column) & (there[nearest[:, 0]] != wanted)
    cosines = np.einsum("nd,nd->n", bout.queries.vectors, bout.gallery.vectors[nearest[:, 0]])
    surest = sorted(np.flatnonzero(wrong).tolist(), key=lambda row: -cosines[row])[:SHOWN]
    return tuple(
        Mistake(int(bout.queries.places[row]), _neighbours(bout, row, nearest[row].tolist())) for row in surest
    )


def _neighbours(bout: Bout, row: int, found: list[int]) -> tuple[tuple[int, float], ...]:
    query, vectors = bout.queries.vectors[row], bout.gallery.vectors
    return tuple((int(bout.gallery.places[i]), float(query @ vectors[i])) for i in found if i != NOTHING)
