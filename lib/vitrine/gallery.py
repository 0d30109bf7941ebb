"""What a person looks at: queries beside their neighbours, rejects, and how often neighbours share a category."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vitrine.embedding import Vectors
from vitrine.errors import BadRecord
from vitrine.images import thumbnail
from vitrine.index import schema
from vitrine.index.search import Hit, search
from vitrine.index.staged import read, vectors
from vitrine.index.store import Store
from vitrine.product import Reason
from vitrine.quality import share_by_chance, share_of_same_label
from vitrine.report import Neighbours, Tile
from vitrine.samples import Drawn
from vitrine.settings import Pictures

NEIGHBOURS = 8
_THUMBNAIL_PX = 224
_DEADLY = frozenset((Reason.DECODER_CRASH, Reason.DECODE_TIMEOUT))


@dataclass(frozen=True, slots=True)
class Answer:
    """A picture of the collection and the products that look like it, without its own."""

    image_id: str
    title: str
    category: str
    hits: tuple[Hit, ...]


def answers(store: Store, collection: str, files: Sequence[str], n: int) -> list[Answer]:
    """Neighbours of `n` staged rows, drawn at random but the same for the same files, in random order."""
    rows, queries = _draw(files, n)
    found = search(store, collection, queries, NEIGHBOURS + 1)
    drawn = []
    for row, hits in zip(rows, found, strict=True):
        others = tuple(hit for hit in hits if hit.product_id != row[schema.PRODUCT_ID])
        title, category = row[schema.TITLE], row[schema.CATEGORY]
        drawn.append(Answer(row[schema.IMAGE_ID], title, category, others[:NEIGHBOURS]))
    return [drawn[number] for number in np.random.default_rng(1).permutation(len(drawn))]


def _draw(files: Sequence[str], n: int) -> tuple[list[dict[str, str]], Vectors]:
    columns = [schema.IMAGE_ID, schema.PRODUCT_ID, schema.TITLE, schema.CATEGORY, schema.VECTOR]
    total = sum(len(batch) for batch in read(files, [schema.POSITION]))
    chosen = np.sort(np.random.default_rng(0).choice(total, min(n, total), replace=False))
    rows: list[dict[str, str]] = []
    parts: list[Vectors] = []
    start = 0
    for batch in read(files, columns):
        within = chosen[(chosen >= start) & (chosen < start + len(batch))] - start
        start += len(batch)
        if len(within):
            rows += batch.take(within).drop_columns([schema.VECTOR]).to_pylist()
            parts.append(vectors(batch)[within])
    return rows, np.concatenate(parts)


def share_of_same_category(found: Sequence[Answer]) -> tuple[float, float] | None:
    """Share of neighbours in the query's own last category level, and the same share in random order.

    None where the catalogue has no categories, or fewer than two.
    """
    pairs = [(_leaf(hit.category), _leaf(answer.category)) for answer in found for hit in answer.hits]
    labels = np.array([_leaf(answer.category) for answer in found])
    if len(set(labels)) < 2 or not pairs:
        return None
    neighbours, queries = (np.array(side) for side in zip(*pairs, strict=True))
    return share_of_same_label(neighbours[:, np.newaxis], queries), share_by_chance(labels)


def _leaf(category: str) -> str:
    return category.rpartition("/")[2]


def pictures_of(found: Sequence[Answer]) -> set[str]:
    """Keys of all pictures that the answers show."""
    return {key for answer in found for key in (answer.image_id, *(hit.image_id for hit in answer.hits))}


def gallery(found: Sequence[Answer], pictures: Mapping[str, bytes], limits: Pictures) -> tuple[Neighbours, ...]:
    """Tiles for the answers, with those pictures that are at hand."""

    def tile(image_id: str, title: str, category: str, score: float | None = None) -> Tile:
        picture = small(pictures.get(image_id), limits)
        return Tile(picture, caption=title or image_id, note=_leaf(category), score=score)

    return tuple(
        Neighbours(
            tile(answer.image_id, answer.title, answer.category),
            tuple(tile(hit.image_id, hit.title, hit.category, hit.score) for hit in answer.hits),
        )
        for answer in found
    )


def rejects(drawn: Sequence[Drawn], pictures: Mapping[str, bytes], limits: Pictures) -> tuple[Tile, ...]:
    """Tiles for rejected pictures; those that cannot be shown have a placeholder."""
    return tuple(
        Tile(
            None if one.reason in _DEADLY else small(pictures.get(one.image_id), limits),
            caption=one.image_id,
            note=f"{one.reason}: {one.detail}",
        )
        for one in drawn
    )


def small(picture: bytes | None, limits: Pictures) -> bytes | None:
    """A thumbnail of the picture, or None where there is none to make."""
    try:
        return thumbnail(picture, _THUMBNAIL_PX, limits) if picture else None
    except BadRecord:
        return None
