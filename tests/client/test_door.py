"""The door for programs."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from vitrine.client import Client
from vitrine.embedding import Batch, Vectors
from vitrine.errors import BadInput, BadRecord, ModelMismatch
from vitrine.index import collections, schema
from vitrine.index.collections import Facts
from vitrine.index.rows import row
from vitrine.product import Product, Reason, Reject, split_image_id
from vitrine.testing import MemoryStore

EAST, NORTH, NORTH_EAST = (np.array(v, np.float32) for v in ([1, 0, 0], [0, 1, 0], [0.6, 0.8, 0]))


class Compass:
    """An embedder that knows two pictures."""

    model_id, dim, forward_passes = "m1", 3, 0

    def embed(self, pictures: Iterable[tuple[Any, bytes]]) -> Iterator[Batch[Any]]:
        for key, data in pictures:
            known = {b"east": EAST, b"north": NORTH}
            if data in known:
                yield Batch((key,), (None,), known[data][np.newaxis])
            else:
                yield Batch((key,), (Reject(Reason.CORRUPT, "not a direction"),), np.empty((0, 3), np.float32))


def no_embedder(model_id: str) -> Compass:
    raise AssertionError(f"model {model_id} was asked for")


def fill(store: MemoryStore, run: str, vectors: dict[str, Vectors], *, model_id: str = "m1") -> None:
    """A collection of these pictures, served by the alias `shop`."""
    made = collections.create(store, Facts("shop", run, model_id, 3, "2026-11-20T00:00:00+00:00"))
    for image_id, vector in vectors.items():
        product_id, position = split_image_id(image_id)
        built, _ = row(Product(product_id), position, sha256="0" * 64, uri="", event_us=0, indexed_us=0)
        store.insert(made.name, [{**built, schema.VECTOR: vector}])
    store.prepare(made.name)
    collections.swap(store, "shop", made.name)


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    fill(store, "r1", {"bag/0": EAST, "bag/1": NORTH, "hat/0": NORTH_EAST, "mug/0": -EAST})
    return store


def asking(store: MemoryStore) -> Client:
    return Client(store, "shop", lambda model_id: Compass())


def test_a_product_is_answered_once_with_its_best_picture(store: MemoryStore) -> None:
    hits = asking(store).search_picture(b"north")
    assert [(hit.image_id, round(hit.score, 3)) for hit in hits] == [("bag/1", 1.0), ("hat/0", 0.8), ("mug/0", 0.0)]


def test_no_more_than_k_products_are_answered(store: MemoryStore) -> None:
    assert [hit.product_id for hit in asking(store).search_picture(b"east", 2)] == ["bag", "hat"]


def test_a_stored_product_asks_with_each_of_its_pictures_and_is_not_its_own_answer(store: MemoryStore) -> None:
    hits = Client(store, "shop", no_embedder).search_product("bag")
    assert [(hit.product_id, round(hit.score, 3)) for hit in hits] == [("hat", 0.8), ("mug", 0.0)]


def test_a_filter_leaves_out_what_does_not_pass(store: MemoryStore) -> None:
    hits = asking(store).search_picture(b"east", expression='product_id in ["hat", "mug"]')
    assert [hit.product_id for hit in hits] == ["hat", "mug"]


def test_a_picture_file_is_searched_like_its_bytes(store: MemoryStore, tmp_path: Any) -> None:
    photo = tmp_path / "photo"
    photo.write_bytes(b"east")
    assert asking(store).search_picture(photo) == asking(store).search_picture(b"east")


def test_a_moved_alias_is_followed_once_its_second_is_over(store: MemoryStore) -> None:
    client, eager = asking(store), Client(store, "shop", no_embedder, alias_s=0.0)
    assert client.search_vector(EAST, 1)[0].product_id == "bag"
    fill(store, "r2", {"new/0": EAST})
    assert client.collection.name == "shop__r1"
    assert eager.search_vector(EAST, 1)[0].product_id == "new"


def test_a_swap_while_a_picture_is_embedded_never_mixes_two_models(store: MemoryStore) -> None:
    asked = []

    class Slow(Compass):
        def embed(self, pictures: Iterable[tuple[Any, bytes]]) -> Iterator[Batch[Any]]:
            fill(store, "r2", {"new/0": NORTH}, model_id="m2")
            return super().embed(pictures)

    def embedder(model_id: str) -> Compass:
        asked.append(model_id)
        return Slow()

    hits = Client(store, "shop", embedder).search_picture(b"north", 1)
    assert (asked, [hit.product_id for hit in hits]) == (["m1"], ["bag"])
    assert store.resolve("shop") == "shop__r2"


def test_a_vector_of_another_model_is_refused_with_both_ids(store: MemoryStore) -> None:
    assert asking(store).search_vector(EAST, 1, model_id="m1")[0].product_id == "bag"
    with pytest.raises(ModelMismatch, match="model m1, not of model m9"):
        asking(store).search_vector(EAST, 1, model_id="m9")


def test_a_picture_that_cannot_be_used_says_why(store: MemoryStore) -> None:
    with pytest.raises(BadRecord, match="corrupt: not a direction") as caught:
        asking(store).search_picture(b"nowhere")
    assert caught.value.reason == Reason.CORRUPT


def test_a_vector_of_another_dimension_is_refused(store: MemoryStore) -> None:
    with pytest.raises(BadInput, match=r"shape \(2,\), shop__r1 holds \(3,\)"):
        asking(store).search_vector(np.ones(2, np.float32))


def test_an_unknown_product_is_named(store: MemoryStore) -> None:
    with pytest.raises(BadInput, match="shop has no product 'sofa'"):
        asking(store).search_product("sofa")


def test_an_alias_that_does_not_exist_says_what_to_run() -> None:
    with pytest.raises(BadInput, match=r"no alias shop: run jobs/reindex\.py"):
        asking(MemoryStore()).search_picture(b"east")


def test_a_missing_picture_file_is_named(store: MemoryStore, tmp_path: Any) -> None:
    with pytest.raises(BadInput, match=r"cannot read the picture .*absent\.jpg"):
        asking(store).search_picture(tmp_path / "absent.jpg")
