"""The same picture is the same vector and has the same neighbours, however a program asks."""

import io

import numpy as np
import pytest
from PIL import Image

from vitrine.client import Box, Client, Example, Query
from vitrine.index import collections, schema
from vitrine.index.collections import Facts
from vitrine.index.rows import row
from vitrine.product import Product
from vitrine.settings import Model, Pictures
from vitrine.testing import MemoryStore
from vitrine.vision.engine import engine_of
from vitrine.vision.weights import resolve


@pytest.fixture(scope="module")
def engine():
    return engine_of(resolve(Model()).spec.model_id, None, Pictures(), "cpu")


@pytest.fixture(scope="module")
def job_vectors(engine, drawn_pictures):
    """The vectors as a job makes them: all pictures in one go."""
    return np.concatenate([batch.vectors for batch in engine.embed(enumerate(drawn_pictures[:40]))])


@pytest.fixture(scope="module")
def client(engine, job_vectors):
    store = MemoryStore()
    made = collections.create(store, Facts("shop", "r1", engine.model_id, engine.dim, "2026-11-20T00:00:00+00:00"))
    for i, vector in enumerate(job_vectors):
        built, _ = row(Product(str(i)), 0, sha256=f"{i:064x}", uri="", event_us=0, indexed_us=0)
        store.insert(made.name, [{**built, schema.VECTOR: vector}])
    collections.swap(store, "shop", made.name)
    return Client(store, "shop", lambda model_id: engine)


def test_every_way_to_ask_gives_the_vector_of_the_job(client, drawn_pictures, job_vectors, tmp_path):
    for i, data in enumerate(drawn_pictures[:8]):
        (tmp_path / "photo").write_bytes(data)
        whole = Box(0, 0, 1, 1)
        ways = (
            Example(data),
            Example(tmp_path / "photo"),
            Example(Image.open(io.BytesIO(data))),
            Example(data, box=whole),
        )

        vectors = client.embed(Query(ways)).vectors

        assert (vectors @ job_vectors[i]).min() >= 0.9999


def test_every_way_to_ask_has_the_same_neighbours(client, drawn_pictures, job_vectors):
    data, vector = drawn_pictures[7], job_vectors[7]
    query = Query((Example(data),), k=5)
    found = [
        client.find(query).hits,
        client.find(query, embedded=client.embed(query)).hits,
        client.find_many([Query((Example(drawn_pictures[1]),)), query])[1].hits,
        client.find(Query((Example(vector=vector),), k=5)).hits,
        client.search_picture(data, 5),
        client.search_vector(vector, 5),
    ]

    exact = [str(i) for i in np.argsort(-(job_vectors @ vector), kind="stable")[:5]]
    assert [[hit.product_id for hit in hits] for hits in found] == [exact] * len(found)
    assert [hit.product_id for hit in client.search_product("7", 4)] == exact[1:]
