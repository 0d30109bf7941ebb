"""Builders of the smallest arenas that are seen by eye."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vitrine.rendering import draw, jpeg, look
from vitrine.retrieval.arena import Arena
from vitrine.retrieval.bout import Bout
from vitrine.retrieval.labelled import Card, Labelled
from vitrine.retrieval.vectors import Embedded


def picture(number: int, *, view: int = 0) -> bytes:
    """A drawn product, seen from one of several sides."""
    return jpeg(draw(look(number), size=48, view=view))


def labelled(product_id: str, *labels: str, data: bytes = b"", reason: str = "") -> Labelled:
    """A picture with its labels."""
    return Labelled(Card(product_id, f"Title of {product_id}", labels), "", data, reason)


def directions(*degrees: float) -> np.ndarray:
    """Unit vectors in the plane."""
    return np.array([[np.cos(np.radians(one)), np.sin(np.radians(one))] for one in degrees], dtype=np.float32)


def bout(arena: Arena, queries: np.ndarray, gallery: np.ndarray) -> Bout:
    """A model that gives all pictures of the arena these vectors."""
    return Bout(arena, Embedded(queries, np.arange(len(queries))), Embedded(gallery, np.arange(len(gallery))))


def catalogue(path: Path, **columns: list[object]) -> str:
    """A catalogue of these columns; product ids are made up where there are none."""
    rows = len(next(iter(columns.values())))
    pq.write_table(pa.table({"product_id": [f"p{n}" for n in range(rows)], **columns}), path)
    return str(path)
