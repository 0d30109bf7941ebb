import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.index import schema
from vitrine.index.filters import where
from vitrine.index.search import search, vectors_of
from vitrine.testing import MemoryStore

EAST = np.array([[1, 0]], dtype=np.float32)


def shop(store, rows):
    store.create("shop__1", schema.pictures(2), description="")
    store.insert("shop__1", rows)
    return store


def test_each_product_is_answered_once_with_its_best_picture(store, picture):
    rows = [picture("a/0", [0, 1]), picture("a/1", [1, 0]), picture("b/0", [1, 1])]

    [hits] = search(shop(store, rows), "shop__1", EAST, 5)

    assert [(hit.product_id, hit.image_id) for hit in hits] == [("a", "a/1"), ("b", "b/0")]
    assert [hit.score for hit in hits] == pytest.approx([1, 0.5**0.5], abs=1e-6)


def test_a_hit_tells_what_the_shop_says_of_the_product(store, picture):
    said = {"title": "Shirt", "category": "A/B", "brand": "Acme", "price": 9.5, "in_stock": False}
    rows = [picture("a/0", [1, 0], version=7, attributes={"colour": "red"}, **said)]

    [[hit]] = search(shop(store, rows), "shop__1", EAST, 1)

    assert {name: getattr(hit, name) for name in said} == said
    assert (hit.version, hit.attributes, hit.image_sha256) == (7, {"colour": "red"}, "00" * 32)


def test_one_product_with_many_pictures_does_not_hide_the_others(store, picture):
    many = [picture(f"a/{i}", [1, i / 1_000]) for i in range(200)]
    rows = [*many, picture("b/0", [1, 1]), picture("c/0", [0, 1])]

    [hits] = search(shop(store, rows), "shop__1", EAST, 3)

    assert [hit.product_id for hit in hits] == ["a", "b", "c"]


def test_fewer_products_are_answered_only_where_there_are_no_more(store, picture):
    rows = [picture("a/0", [1, 0], brand="x"), picture("b/0", [1, 0], brand="y"), picture("c/0", [1, 0], brand="x")]

    [hits] = search(shop(store, rows), "shop__1", EAST, 3, filter=where("brand", "x"))

    assert {hit.product_id for hit in hits} == {"a", "c"}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(-9, 9), st.integers(1, 9)), max_size=60), st.integers(1, 12))
def test_answers_are_those_of_grouping_every_row(rows, k):
    store = MemoryStore()
    store.create("shop__1", schema.pictures(2), description="")
    store.insert("shop__1", [numbered(i, product, (x, y)) for i, (product, x, y) in enumerate(rows)])

    [hits] = search(store, "shop__1", EAST, k)

    best = {}
    for product, x, y in rows:
        best[str(product)] = max(best.get(str(product), -2), x / (x * x + y * y) ** 0.5)
    assert [hit.score for hit in hits] == pytest.approx(sorted(best.values(), reverse=True)[:k], abs=1e-6)
    assert len({hit.product_id for hit in hits}) == len(hits)


def numbered(i, product, vector):
    plain = {field.name: "" for field in schema.PICTURE_FIELDS if field.kind == "VARCHAR"}
    numbers = {"position": i, "version": 1, "price": 0.0, "in_stock": True, "event_us": 0, "indexed_us": 0}
    return {**plain, **numbers, "attributes": "{}", "product_id": str(product), "image_id": str(i), "vector": vector}


def test_several_queries_are_answered_in_their_order(store, picture):
    rows = [picture("a/0", [1, 0]), picture("b/0", [0, 1])]

    answers = search(shop(store, rows), "shop__1", np.array([[0, 1], [1, 0]], dtype=np.float32), 1)

    assert [[hit.product_id for hit in hits] for hits in answers] == [["b"], ["a"]]


def test_the_rows_of_a_product_come_by_position_with_their_vectors(store, picture):
    rows = [picture("a/1", [0, 1]), picture("a/0", [1, 0]), picture("b/0", [1, 1])]

    found = vectors_of(shop(store, rows), "shop__1", "a")

    assert [row["image_id"] for row in found] == ["a/0", "a/1"]
    assert [row["vector"].tolist() for row in found] == [[1, 0], [0, 1]]
    assert vectors_of(store, "shop__1", "nobody") == []
