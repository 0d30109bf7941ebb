"""Recommendations from Parquet files into collections, and behind their aliases."""

import numpy as np
import pytest

from vitrine.errors import BadInput, GateFailed, ModelMismatch
from vitrine.index import collections, publishing, recommendations
from vitrine.index.collections import Facts
from vitrine.index.publishing import publish_related, publish_users
from vitrine.index.recommendations import Item, Related
from vitrine.index.schema import Contents
from vitrine.settings import Milvus
from vitrine.testing import MemoryStore

MILVUS = Milvus()
AS_OF = "2026-11-20T00:00:00+00:00"


@pytest.fixture
def store(near_store):
    return near_store


def pair(product_id, related_id, rank, **stated):
    said = {"score": 1 / rank, "rank": rank, "pair_count": 3, "support": 5, "related_support": 4}
    return {"product_id": product_id, "related_id": related_id, "measure": "llr", **said, **stated}


def listed(user_hash, product_id, rank):
    return {"user_hash": user_hash, "product_id": product_id, "score": 1 / rank, "rank": rank, "measure": "llr"}


def tasted(user_hash, vector, **stated):
    said = {"interest": 0, "vector": vector, "weight": 2.5, "model_id": "m1"}
    return {"user_hash": user_hash, **said, **stated}


@pytest.fixture
def publish(store, parquet):
    """`publish(run)` serves a few pairs; other rows and settings where given."""

    def do(run="r1", *parts, store=store, milvus=MILVUS, alias="related", supports=()):
        files = parquet(f"related-{run}", *(parts or ([pair("a", "b", 1), pair("b", "a", 1)],)))
        return publish_related(store, milvus, alias=alias, related=files, supports=supports, run=run, as_of=AS_OF)

    return do


@pytest.fixture
def products(store, picture):
    """Two pictures of a bag and a hat that are served, of a hostile category."""
    made = collections.create(store, Facts("products", "p1", "m1", 2, AS_OF))
    said = {"category": 'A"/B'}
    store.insert(made.name, [picture(one, [1, 0], **said) for one in ("bag/0", "bag/1", "hat/0")])
    store.insert(made.name, [picture("mug/0", [1, 0])])
    store.prepare(made.name)
    collections.swap(store, "products", made.name)


def test_pairs_are_served_by_product_and_rank(store, publish):
    found = publish(
        "r1", [pair("a", "c", 2), pair("a", "b", 1), pair("b", "a", 1)], [pair("a", "d", 3), pair("c", "a", 1)]
    )

    assert (found.collection, found.rows, found.cut_items, found.retired) == ("related__r1", 3, 0, ())
    rows = recommendations.related(store, store.resolve("related"), ["a", "b", "c"])
    assert rows["a"] == Related("a", 5, tuple(Item(one, 1 / i, i, 3, 4) for i, one in enumerate("bcd", 1)))
    assert [item.product_id for item in rows["c"].items] == ["a"]


def test_popular_products_are_served_by_category_also_those_without_pairs(store, publish, products, parquet):
    counted = {"hat": 9, "bag": 9, "mug": 1, "deleted": 99}
    supports = parquet("supports", [{"product_id": one, "support": n} for one, n in counted.items()])

    publish("r1", [pair("hat", "bag", 1, support=9)], supports=supports)

    name = store.resolve("related")
    assert recommendations.popular(store, name, 'A"/B', 10) == ["bag", "hat"]  # of equal ones by id
    assert recommendations.popular(store, name, "", 10) == ["mug"]
    rows = recommendations.related(store, name, ["hat", "bag", "deleted"])
    assert {one.product_id: (one.support, len(one.items)) for one in rows.values()} == {"hat": (9, 1), "bag": (9, 0)}


def test_users_are_served_with_items_and_tastes(store, parquet):
    items = parquet("items", [listed("u", "b", 2), listed("u", "a", 1), listed("w", "a", 1)])
    tastes = parquet("taste", [tasted("u", [0.0, 1.0, 0.0]), tasted("v", [1.0, 0.0, 0.0])])

    found = publish_users(store, MILVUS, alias="users", items=items, tastes=tastes, run="r1", as_of=AS_OF)

    served = collections.current(store, "users", Contents.USERS)
    assert (found.rows, served.name, served.facts.model_id, served.facts.dim) == (3, "users__r1", "m1", 3)
    known = {user: recommendations.interests(store, served.name, user) for user in "uvwx"}
    assert {
        user: [(one.weight, [item.product_id for item in one.items]) for one in rows] for user, rows in known.items()
    } == {
        "u": [(2.5, ["a", "b"])],
        "v": [(2.5, [])],
        "w": [(0.0, ["a"])],
        "x": [],
    }
    assert known["u"][0].vector == pytest.approx([0, 1, 0])


def test_users_without_any_taste_have_a_constant_vector(store, parquet):
    publish_users(
        store, MILVUS, alias="users", items=parquet("items", [listed("u", "a", 1)]), tastes=[], run="r1", as_of=AS_OF
    )

    served = collections.current(store, "users")
    assert (served.facts.model_id, served.facts.dim) == ("", 2)
    [one] = recommendations.interests(store, served.name, "u")
    assert (one.weight, list(one.vector)) == (0.0, [1.0, 0.0])


def test_several_interests_of_a_user_are_several_rows(store, parquet):
    tastes = parquet("taste", [tasted("u", [0.0, 1.0], interest=1), tasted("u", [1.0, 0.0])])

    publish_users(
        store,
        MILVUS,
        alias="users",
        items=parquet("items", [listed("u", "a", 1)]),
        tastes=tastes,
        run="r1",
        as_of=AS_OF,
    )

    found = recommendations.interests(store, store.resolve("users"), "u")
    assert [(one.interest, len(one.items), list(one.vector)) for one in found] == [(0, 1, [1, 0]), (1, 0, [0, 1])]


def test_tastes_of_two_models_are_refused(parquet):
    tastes = parquet("taste", [tasted("u", [1.0, 0.0])], [tasted("v", [1.0, 0.0], model_id="m2")])

    with pytest.raises(ModelMismatch, match="taste holds vectors of model m2, not of model m1"):
        publish_users(MemoryStore(), MILVUS, alias="users", items=[], tastes=tastes, run="r1", as_of=AS_OF)


def test_a_new_run_takes_over_rollback_goes_back_and_older_ones_are_dropped(store, publish):
    for run in ("r1", "r2"):
        assert publish(run).retired == ()
    assert publish("r3").retired == ("related__r1",)
    assert store.collections() == ["related__r2", "related__r3"]

    assert collections.rollback(store, "related").name == "related__r2"

    assert recommendations.related(store, store.resolve("related"), ["a"])["a"].support == 5
    with pytest.raises(BadInput, match="alias related has no earlier collection"):
        collections.rollback(store, "related")


def test_the_same_run_again_takes_the_place_of_what_it_served(store, publish):
    publish("r1")
    publish("r1", [pair("a", "c", 1)])

    [item] = recommendations.related(store, store.resolve("related"), ["a"])["a"].items
    assert item.product_id == "c"


def test_what_a_failed_attempt_of_the_run_left_behind_is_dropped(store, publish):
    collections.create(store, Facts("related", "r1", "", 2, AS_OF, contents=Contents.RELATED))

    publish("r1")

    assert store.collections() == ["related__r1"]


def test_other_aliases_may_be_named(store, publish):
    publish("r1", alias="bought")

    assert store.resolve("bought") == "bought__r1"


def test_an_alias_that_serves_products_is_not_touched(store, publish, products):
    with pytest.raises(BadInput, match="alias products serves products, not related"):
        publish("r1", alias="products")
    with pytest.raises(BadInput, match="alias products serves products, not users"):
        collections.current(store, "products", Contents.USERS)

    assert store.collections() == ["products__p1", "products_ledger__p1"]


def test_products_do_not_take_over_an_alias_of_recommendations(store, publish):
    publish("r1")

    with pytest.raises(BadInput, match="alias related serves related, not products"):
        collections.create(store, Facts("related", "r2", "m1", 2, AS_OF))


def test_contents_of_a_newer_program_are_refused():
    newer = collections.describe(Facts("x", "r", "", 2, AS_OF)).replace('"products"', '"auctions"')

    with pytest.raises(BadInput, match="x__r holds auctions, which this program does not know"):
        collections.parse(newer, "x__r")


def test_an_unsorted_file_leaves_alias_and_database_as_they_were(store, publish):
    publish("r1")

    with pytest.raises(BadInput, match="not sorted by product_id"):
        publish("r2", [pair("b", "a", 1), pair("a", "b", 1)])

    assert (store.resolve("related"), store.collections()) == ("related__r1", ["related__r1"])


def test_a_row_that_got_lost_is_seen_before_the_alias_moves(publish):
    class Forgetful(MemoryStore):
        def insert(self, collection, rows):
            super().insert(collection, rows[1:])

    store = Forgetful()
    with pytest.raises(GateFailed, match="related__r1 holds 1 rows, 2 were expected"):
        publish("r1", store=store)

    assert (store.resolve("related"), store.collections()) == (None, [])


def test_calls_are_bounded_by_bytes_and_a_cut_is_counted(publish):
    class Calls(MemoryStore):
        sizes: tuple[int, ...] = ()

        def insert(self, collection, rows):
            self.sizes += (len(rows),)
            super().insert(collection, rows)

    store = Calls()
    hostile = [pair(f"p{i}", f"{rank}" + "\x01" * 250, rank) for i in range(5) for rank in range(1, 51)]

    found = publish("r1", hostile, store=store, milvus=Milvus(insert_bytes=130_000))

    assert (store.sizes, found.rows) == ((2, 2, 1), 5)
    assert found.cut_items == 5 * (50 - len(recommendations.related(store, "related__r1", ["p0"])["p0"].items)) > 0


def test_popularity_is_kept_for_the_first_of_a_category(store, products, parquet, picture):
    many = [picture(f"p{i:03}/0", [1, 0], category="C") for i in range(300)]
    store.insert(store.resolve("products"), many)
    random = np.random.default_rng(0).integers(0, 40, 300)
    supports = {f"p{i:03}": int(n) for i, n in enumerate(random)}
    files = parquet("supports", [{"product_id": one, "support": n} for one, n in supports.items()])

    found = list(publishing.popular_products(store, store.resolve("products"), files, 10))

    expected = sorted(supports, key=lambda one: (-supports[one], one))[:10]
    assert [(one.product_id, one.support, one.popular_rank) for one in found] == [
        (one, supports[one], rank) for rank, one in enumerate(expected, 1)
    ]
