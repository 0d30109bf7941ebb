"""From a query to what is searched for: its pictures as bytes, and its examples as vectors of one collection."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vitrine.client.combining import Taken, combined, unit
from vitrine.client.cropping import cropped, encoded
from vitrine.client.finding import Asked
from vitrine.client.query import Example, Picture, Query
from vitrine.client.shop import UnknownProduct
from vitrine.embedding import Embedder, Vectors
from vitrine.errors import BadInput, BadRecord
from vitrine.index import schema
from vitrine.index.collections import Collection
from vitrine.index.search import vectors_of, vectors_of_pictures
from vitrine.index.store import Store
from vitrine.product import split_image_id
from vitrine.settings import Pictures


def pictures(query: Query, limits: Pictures) -> tuple[bytes, ...]:
    """The bytes to embed, one for each example that is a picture, in their order; boxes are cut out.

    Raises:
        BadInput: a file cannot be read.
        BadRecord: a picture to cut from cannot be used, with the reason.
    """
    return tuple(_bytes(one, limits) for one in query.pictured)


def embedded(embedder: Embedder, data: Sequence[bytes]) -> Vectors:
    """The pictures as (n, dim) unit vectors, in their order.

    Raises:
        BadRecord: the first that cannot be used, with the reason.
    """
    batches = list(embedder.embed(enumerate(data)))
    for reject in (one for batch in batches for one in batch.rejects):
        if reject is not None:
            raise BadRecord(reject.reason, reject.detail)
    return np.concatenate([np.empty((0, embedder.dim), np.float32), *(batch.vectors for batch in batches)])


def asked(store: Store, collection: Collection, query: Query, vectors: Vectors, *, start: int) -> Asked:
    """The query as vectors, where `vectors` are those of its pictures, in their order.

    Raises:
        UnknownProduct: an example is a product or picture that is not stored.
        BadInput: a vector has another dimension than the collection, or there are not as many as pictures.
    """
    if vectors.shape != (len(query.pictured), collection.facts.dim):
        wanted = (len(query.pictured), collection.facts.dim)
        raise BadInput(f"the pictures' vectors have shape {vectors.shape}, {collection.name} wants {wanted}")
    rest = iter(vectors)
    taken = [Taken(_vectors(store, collection, one, rest), one.weight) for one in query.examples]
    own = frozenset(product_id for one in query.examples if (product_id := _product(one)))
    return Asked(query, collection, combined(taken), start, own)


def _bytes(example: Example, limits: Pictures) -> bytes:
    data = picture_bytes(example.picture) if example.picture is not None else b""
    return cropped(data, example.box, limits) if example.box else data


def picture_bytes(picture: Picture) -> bytes:
    """A picture given in any way, as bytes.

    Raises:
        BadInput: the file cannot be read.
    """
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, Path):
        try:
            return picture.read_bytes()
        except OSError as error:
            raise BadInput(f"cannot read the picture {picture}: {error.strerror}") from error
    return encoded(picture)


def _vectors(store: Store, collection: Collection, example: Example, pictured: Iterator[Vectors]) -> Vectors:
    """The unit vectors of an example, (n, dim); those of pictures are taken from `pictured`."""
    dim = collection.facts.dim
    if example.product_id is not None:
        rows = vectors_of(store, collection.name, example.product_id)
        if not rows:
            raise UnknownProduct(f"{collection.facts.alias} has no product {example.product_id!r}")
        return np.stack([unit(np.asarray(row[schema.VECTOR], np.float32)) for row in rows])
    if example.image_id is not None:
        found = vectors_of_pictures(store, collection.name, [example.image_id])
        if not found.any():
            raise UnknownProduct(f"{collection.facts.alias} has no picture {example.image_id!r}")
        return found
    if example.vector is None:
        return next(pictured)[np.newaxis]
    if np.shape(example.vector) != (dim,):
        raise BadInput(f"the vector has shape {np.shape(example.vector)}, {collection.name} holds ({dim},)")
    return unit(np.asarray(example.vector, np.float32))[np.newaxis]


def _product(example: Example) -> str | None:
    """The product that the example is, or is a picture of."""
    if example.image_id is None:
        return example.product_id
    try:
        return split_image_id(example.image_id)[0]
    except ValueError:
        return None
