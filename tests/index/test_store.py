"""The contract of a Store; the fake and Milvus Lite pass the same tests."""

import numpy as np
import pytest

from vitrine.errors import BadInput
from vitrine.index import schema
from vitrine.index.filters import where
from vitrine.index.store import NotThere

SHOP = schema.pictures(2)


def filled(store, rows, name="shop__1"):
    store.create(name, SHOP, description="facts")
    store.insert(name, rows)
    return name


def ids(rows):
    return [row["image_id"] for row in rows]


def test_a_row_is_read_as_it_was_written(store, picture):
    written = picture("a/0", [1, 0], title="Schön 花", price=2.5, in_stock=False, attributes={'k"': "v\n"})
    name = filled(store, [written])

    [row] = store.query(name, where("product_id", "a"), fields=SHOP.names)

    assert {**row, "vector": list(row["vector"])} == {**written, "vector": [1.0, 0.0], "attributes": {'k"': "v\n"}}


def test_rows_are_counted_as_soon_as_they_are_inserted(store, picture):
    store.create("shop__1", SHOP, description="")
    assert store.count("shop__1") == 0

    store.insert("shop__1", [picture("a/0", [1, 0]), picture("a/1", [0, 1])])

    assert store.count("shop__1") == 2


def test_a_search_gives_cosines_best_first(store, picture):
    name = filled(store, [picture("far/0", [-1, -1]), picture("near/0", [3, 0]), picture("mid/0", [1, 1])])

    found = store.search(name, np.array([[1, 0], [0, 2]], dtype=np.float32), 2, fields=["image_id"])

    assert [ids(row for _, row in hits) for hits in found] == [["near/0", "mid/0"], ["mid/0", "near/0"]]
    assert [[score for score, _ in hits] for hits in found] == [
        pytest.approx([1, 0.5**0.5], abs=1e-6),
        pytest.approx([0.5**0.5, 0], abs=1e-6),
    ]


def test_a_search_gives_the_fields_that_were_asked_for(store, picture):
    name = filled(store, [picture("a/0", [1, 0], brand="Acme")])

    [[(_, row)]] = store.search(name, np.ones((1, 2), dtype=np.float32), 1, fields=["brand", "price"])

    assert row == {"brand": "Acme", "price": -1.0}


def test_filters_keep_the_best_of_what_matches(store, picture, unit):
    vectors = unit(600, 2)
    rows = [picture(f"p{i}/0", vector, brand="rare" if i % 200 == 7 else "plain") for i, vector in enumerate(vectors)]
    name = filled(store, rows)

    [hits] = store.search(name, vectors[:1], 3, fields=["image_id"], matching=where("brand", "rare"))

    exact = sorted((7, 207, 407), key=lambda i: -float(vectors[0] @ vectors[i]))
    assert ids(row for _, row in hits) == [f"p{i}/0" for i in exact]


def test_a_search_may_ask_for_more_rows_than_there_are(store, picture):
    name = filled(store, [picture("a/0", [1, 0])])

    [hits] = store.search(name, np.ones((1, 2), dtype=np.float32), 16_384, fields=["image_id"])

    assert len(hits) == 1


def test_an_empty_collection_answers_with_nothing(store):
    name = filled(store, [])

    assert store.search(name, np.ones((1, 2), dtype=np.float32), 3, fields=["image_id"]) == [[]]
    assert store.query(name, where("product_id", "a"), fields=["image_id"]) == []
    assert list(store.scan(name, fields=["image_id"])) == []


def test_a_scan_gives_every_row_once(store, picture):
    wanted = [f"""{'"' * (i % 3)}{chr(92) * (i % 4)}'花{i}/0""" for i in range(2_500)]
    name = filled(store, [picture(image_id, [1, 0]) for image_id in wanted])

    assert sorted(ids(store.scan(name, fields=["image_id"]))) == sorted(wanted)


def test_an_upsert_takes_the_place_of_rows_with_its_keys(store, picture):
    name = filled(store, [picture("a/0", [1, 0]), picture("a/1", [1, 0])])
    store.prepare(name)

    store.upsert(name, [picture("a/1", [0, 1], version=2), picture("b/0", [0, 1], version=3)])

    assert {(row["image_id"], row["version"]) for row in store.scan(name, fields=["image_id", "version"])} == {
        ("a/0", 1),
        ("a/1", 2),
        ("b/0", 3),
    }
    assert store.count(name) == 3


def test_deleted_keys_have_no_rows(store, picture):
    name = filled(store, [picture("a/0", [1, 0]), picture("a/1", [1, 0]), picture("b/0", [1, 0])])
    store.prepare(name)

    store.delete(name, ["a/0", "b/0", "was-never-there/0"])

    assert ids(store.scan(name, fields=["image_id"])) == ["a/1"]
    assert store.count(name) == 1


def test_nothing_is_pending_once_a_collection_is_prepared(store, picture):
    name = filled(store, [picture("a/0", [1, 0])])

    store.prepare(name)

    assert store.pending(name) == 0


def test_a_description_is_kept(store):
    store.create("shop__1", SHOP, description='{"run": "größe"}')

    assert store.description("shop__1") == '{"run": "größe"}'


def test_a_name_is_given_once(store):
    store.create("shop__1", SHOP, description="")
    store.point("shop", "shop__1")

    for name in ("shop__1", "shop"):
        with pytest.raises(BadInput, match=name):
            store.create(name, SHOP, description="")


def test_an_alias_moves_from_one_collection_to_another(store):
    for name in ("shop__1", "shop__2"):
        store.create(name, SHOP, description="")
    assert store.resolve("shop") is None

    store.point("shop", "shop__1")
    assert store.resolve("shop") == "shop__1"
    store.point("shop", "shop__2")

    assert store.resolve("shop") == "shop__2"
    assert store.aliases("shop__1") == []
    assert store.aliases("shop__2") == ["shop"]


def test_an_alias_cannot_have_the_name_of_a_collection(store):
    for name in ("shop", "shop__1"):
        store.create(name, SHOP, description="")

    with pytest.raises(BadInput, match=r"^shop is a collection, not an alias: choose another milvus\.alias$"):
        store.point("shop", "shop__1")


def test_what_an_alias_serves_is_not_dropped(store):
    store.create("shop__1", SHOP, description="")
    store.point("shop", "shop__1")

    with pytest.raises(BadInput, match="served as shop"):
        store.drop("shop__1")

    assert store.collections() == ["shop__1"]


def test_dropping_twice_is_dropping_once(store):
    store.create("shop__1", SHOP, description="")

    store.drop("shop__1")
    store.drop("shop__1")

    assert store.collections() == []


def test_a_collection_that_is_not_there_is_named(store):
    for call in (store.count, store.prepare, store.description):
        with pytest.raises(NotThere, match="nowhere"):
            call("nowhere")
    with pytest.raises(NotThere):
        store.search("nowhere", np.ones((1, 2), dtype=np.float32), 1, fields=["image_id"])


def test_a_collection_that_was_searched_and_dropped_is_not_there(store, picture):
    name = filled(store, [picture("a/0", [1, 0])])
    assert store.search(name, np.ones((1, 2), dtype=np.float32), 1, fields=["image_id"]) != [[]]
    store.drop(name)

    with pytest.raises(NotThere):
        store.search(name, np.ones((1, 2), dtype=np.float32), 1, fields=["image_id"])


def test_within_a_time_the_same_rows_are_there(store, picture):
    name = filled(store, [picture("a/0", [1, 0])])

    assert store.within(60.0).count(name) == store.within(60.0).within(50.0).count(name) == 1


def test_a_row_of_other_fields_or_types_is_refused(store, picture):
    store.create("shop__1", SHOP, description="")
    good = picture("a/0", [1, 0])

    for bad in ({"price": "cheap"}, {"position": 2**31}, {"attributes": "{"}, {"vector": [1.0, 0.0, 0.0]}):
        with pytest.raises(BadInput):
            store.insert("shop__1", [{**good, **bad}])
    with pytest.raises(BadInput):
        store.insert("shop__1", [{name: value for name, value in good.items() if name != "title"}])
