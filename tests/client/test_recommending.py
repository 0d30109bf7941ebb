"""Recommendations at the door for programs."""

from math import log2

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrine.client import Client, Wishes
from vitrine.errors import BadInput, BadSettings, ModelMismatch
from vitrine.index import collections, schema
from vitrine.index.collections import Facts
from vitrine.index.publishing import publish_related, publish_users
from vitrine.index.rows import row
from vitrine.product import Product
from vitrine.settings import Milvus
from vitrine.testing import MemoryStore

AS_OF = "2026-11-20T00:00:00+00:00"
TOGETHER, ALIKE, POPULAR = ("bought together",), ("looks alike",), ("popular in category",)
SECOND = 1 / log2(3)


def toward(degrees):
    radians = np.radians(degrees)
    return np.array([np.cos(radians), np.sin(radians)], np.float32)


PRODUCTS = {
    "bag": (toward(0), {"category": "bags", "price": 10.0}),
    "tote": (toward(10), {"category": "bags", "price": 30.0}),
    "sack": (toward(20), {"category": "bags", "price": 12.0, "in_stock": False}),
    "hat": (toward(80), {"category": "hats", "price": 8.0}),
    "cap": (toward(90), {"category": "hats"}),
    "new": (toward(86), {"category": "hats", "price": 9.0}),
}


class Shop:
    """A shop in memory, and files for what the job would have written."""

    def __init__(self, tmp_path):
        self.store, self.path = MemoryStore(), tmp_path
        self.milvus = Milvus(alias="shop")

    def serve(self, products=PRODUCTS, *, run="p1", model_id="m1"):
        made = collections.create(self.store, Facts("shop", run, model_id, 2, AS_OF))
        for product_id, (vector, said) in products.items():
            built, _ = row(Product(product_id, **said), 0, sha256="0" * 64, uri="", event_us=0, indexed_us=0)
            self.store.insert(made.name, [{**built, schema.VECTOR: vector}])
        collections.swap(self.store, "shop", made.name)

    def relate(self, lists, supports):
        """What is bought together: {product: [related, ...]}, each with the score 1 / rank."""
        rows = [
            {
                "product_id": product_id,
                "related_id": related_id,
                "score": 1 / rank,
                "rank": rank,
                "pair_count": 2,
                "support": supports[product_id],
                "related_support": 1,
            }
            for product_id in sorted(lists)
            for rank, related_id in enumerate(lists[product_id], 1)
        ]
        counted = [{"product_id": one, "support": support} for one, support in supports.items()]
        files = [self.written("related", rows)], [self.written("supports", counted)]
        publish_related(
            self.store, self.milvus, alias="related", related=files[0], supports=files[1], run="r1", as_of=AS_OF
        )

    def know(self, lists, tastes, *, model_id="m1"):
        """Users: {user: [product, ...]} in order, and {user: degrees, ...}, each taste with a weight of 20."""
        items = [
            {"user_hash": user, "product_id": one, "score": 1 / rank, "rank": rank}
            for user in sorted(lists)
            for rank, one in enumerate(lists[user], 1)
        ]
        tasted = [
            {"user_hash": user, "interest": interest, "vector": list(toward(at)), "weight": 20.0, "model_id": model_id}
            for user, degrees in sorted(tastes.items())
            for interest, at in enumerate(np.atleast_1d(degrees))
        ]
        files = [[self.written(name, rows)] if rows else [] for name, rows in (("items", items), ("taste", tasted))]
        publish_users(self.store, self.milvus, alias="users", items=files[0], tastes=files[1], run="r1", as_of=AS_OF)

    def written(self, name, rows):
        pq.write_table(pa.Table.from_pylist(rows), self.path / f"{name}.parquet")
        return str(self.path / f"{name}.parquet")

    def ask(self, **options):
        return Client(self.store, "shop", lambda model_id: pytest.fail("no model is needed"), **options)


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    made.serve()
    return made


def told(found):
    return [(one.product_id, one.sources) for one in found]


def test_what_is_bought_together_and_what_looks_alike_share_by_the_evidence(shop):
    shop.relate({"bag": ["hat", "tote"]}, {"bag": 60})

    found = shop.ask().related("bag", 3)

    assert [(one.product_id, round(one.score, 4), one.sources) for one in found] == [
        ("hat", round(0.75 + 0.25 * SECOND, 4), TOGETHER + ALIKE),
        ("tote", round(0.75 * SECOND + 0.25, 4), TOGETHER + ALIKE),
        ("new", round(0.25 * 0.5, 4), ALIKE),
    ]


def test_an_answer_says_what_the_shop_says_of_a_product(shop):
    shop.relate({"bag": ["hat"]}, {"bag": 60})

    [one] = shop.ask().related("bag", 1)

    assert (one.image_id, one.category, one.price, one.in_stock) == ("hat/0", "hats", 8.0, True)


def test_a_cold_product_has_its_looks(shop):
    shop.relate({"bag": ["hat"]}, {"bag": 60})

    assert told(shop.ask().related("new", 2)) == [("cap", ALIKE), ("hat", ALIKE)]


def test_without_the_alias_everything_has_its_looks(shop):
    assert told(shop.ask().related("bag", 2)) == [("tote", ALIKE), ("hat", ALIKE)]


def test_deleted_products_are_never_answered_but_still_lead_to_others(shop):
    shop.relate({"bag": ["gone", "hat"], "gone": ["bag", "hat"]}, {"bag": 60, "gone": 5})

    assert "gone" not in [one.product_id for one in shop.ask().related("bag", 10)]
    assert told(shop.ask().related("gone", 2)) == [("bag", TOGETHER), ("hat", TOGETHER)]


def test_popular_products_of_the_category_fill_what_is_missing(shop):
    few = {one: PRODUCTS[one] for one in ("hat", "cap")}
    shop.serve({**few, "jar": (toward(270), {"category": "jars"})}, run="p2")
    shop.relate({"gone": ["cap"]}, {"hat": 3, "cap": 7, "jar": 9, "gone": 5})

    assert told(shop.ask().related("gone", 5)) == [("cap", TOGETHER), ("hat", POPULAR)]


def test_a_product_nobody_knows_is_named(shop):
    with pytest.raises(BadInput, match="shop has no product 'sofa'"):
        shop.ask().related("sofa")


def test_the_only_product_of_a_shop_goes_with_nothing(shop):
    shop.serve({"bag": PRODUCTS["bag"]}, run="p2")

    assert shop.ask().related("bag") == []


def test_what_is_not_in_stock_is_answered_only_on_request(shop):
    shop.relate({"bag": ["sack", "hat"]}, {"bag": 10**9})

    assert "sack" not in [one.product_id for one in shop.ask().related("bag")]
    assert shop.ask().related("bag", 1, wishes=Wishes(in_stock=False))[0].product_id == "sack"
    assert shop.ask().related("cap", 9, wishes=Wishes(in_stock=False))[-2].product_id == "tote"


def test_a_price_band_leaves_out_other_and_unknown_prices(shop):
    found = shop.ask().related("bag", wishes=Wishes(price_band=(0.5, 2)))

    assert [one.product_id for one in found] == ["hat", "new"]


def test_diversity_puts_another_look_first(shop):
    shop.relate({"bag": ["new", "hat", "tote"]}, {"bag": 10**9})

    assert [one.product_id for one in shop.ask().related("bag", 2)] == ["new", "hat"]
    assert [one.product_id for one in shop.ask().related("bag", 2, wishes=Wishes(diversity=0.5))] == ["new", "tote"]


@pytest.mark.parametrize(
    "wish", [{"kappa": 0}, {"decay": 1.1}, {"diversity": -0.1}, {"price_band": (2, 0.5)}, {"price_band": (-1, 1)}]
)
def test_wishes_out_of_range_are_refused(wish):
    with pytest.raises(BadSettings, match=next(iter(wish))):
        Wishes(**wish)


def test_a_session_is_answered_from_the_pairs_of_its_products_the_newest_first(shop):
    shop.relate({"bag": ["tote", "hat"], "cap": ["hat", "new"]}, {"bag": 10**9, "cap": 10**9})
    wishes = Wishes(decay=0.5)

    # hat 1 + .5 * .5, new .5, tote .5 * 1; of equal ones by id
    assert [one.product_id for one in shop.ask().recommend(3, recent=["bag", "cap"], wishes=wishes)] == [
        "hat",
        "new",
        "tote",
    ]
    # hat .5 + .5 * 1, tote 1, new .25
    assert [one.product_id for one in shop.ask().recommend(3, recent=["cap", "bag"], wishes=wishes)] == [
        "hat",
        "tote",
        "new",
    ]


def test_the_looks_of_older_products_of_a_session_count_too(shop):
    # tote cos 70 + .8 cos 10 = 1.13, new cos 6 + .8 cos 86 = 1.05, cap cos 10 + .8 cos 90 = .98
    assert told(shop.ask().recommend(3, recent=["bag", "hat"])) == [("tote", ALIKE), ("new", ALIKE), ("cap", ALIKE)]


def test_products_of_the_session_are_not_answered_and_unknown_ones_have_no_say(shop):
    shop.relate({"bag": ["hat", "tote"]}, {"bag": 5})

    found = [one.product_id for one in shop.ask().recommend(recent=["hat", "sofa", "bag", "bag"])]

    assert not {"hat", "bag"} & set(found)
    assert "tote" in found
    assert shop.ask().recommend(recent=["sofa"]) == []


def test_a_user_is_answered_from_what_is_stored_and_by_taste(shop):
    shop.know({"u": ["tote", "gone"]}, {"u": 90})

    found = shop.ask().recommend(3, user="u")

    assert told(found) == [("tote", TOGETHER + ALIKE), ("cap", ALIKE), ("new", ALIKE)]
    assert found[0].score == pytest.approx(0.5 + 0.5 / log2(5))


def test_a_user_without_taste_is_answered_from_the_stored_list(shop):
    shop.know({"u": ["hat", "tote"]}, {})

    assert told(shop.ask().recommend(user="u")) == [("hat", TOGETHER), ("tote", TOGETHER)]


def test_tastes_of_another_model_have_no_say_in_a_list(shop):
    shop.know({"u": ["hat"]}, {"u": 0}, model_id="m9")

    assert told(shop.ask().recommend(user="u")) == [("hat", TOGETHER)]


def test_nothing_is_answered_to_an_unknown_user(shop):
    assert shop.ask().recommend(user="u") == []
    shop.know({"v": ["hat"]}, {"v": 0})
    assert shop.ask().recommend(user="u") == []


@pytest.mark.parametrize("asked", [{}, {"recent": ["bag"], "user": "u"}])
def test_either_a_session_or_a_user_asks(shop, asked):
    with pytest.raises(BadInput, match="either recent products or a user"):
        shop.ask().recommend(**asked)


def test_a_substitute_is_in_stock_and_of_the_same_category_before_others(shop):
    found = shop.ask().substitutes("sack", 3)

    assert [(one.product_id, round(one.score, 3)) for one in found] == [
        ("tote", round(float(np.cos(np.radians(10))), 3)),
        ("bag", round(float(np.cos(np.radians(20))), 3)),
        ("hat", 0.5),
    ]
    assert {one.sources for one in found} == {ALIKE}
    assert [one.product_id for one in shop.ask().substitutes("sack", 1)] == ["tote"]


def test_the_same_category_comes_before_better_looks(shop):
    shop.serve({**PRODUCTS, "belt": (toward(20), {"category": "belts", "price": 12.0})}, run="p2")

    assert [one.product_id for one in shop.ask().substitutes("sack", 3)] == ["tote", "bag", "belt"]


def test_a_substitute_may_have_to_cost_about_the_same(shop):
    assert [one.product_id for one in shop.ask().substitutes("sack", 2, price_band=(0.5, 2))] == ["bag", "hat"]


def test_there_is_no_substitute_for_what_is_not_there(shop):
    with pytest.raises(BadInput, match="shop has no product 'sofa'"):
        shop.ask().substitutes("sofa")


def test_a_taste_changes_the_order_of_a_search_and_not_its_scores(shop):
    shop.know({}, {"u": 90})

    plain = shop.ask().search_vector(toward(60), 6)
    personal = shop.ask().search_vector(toward(60), 6, user="u", taste_weight=1)

    assert [hit.product_id for hit in plain] == ["hat", "new", "cap", "sack", "tote", "bag"]
    assert [hit.product_id for hit in personal] == ["cap", "new", "hat", "sack", "tote", "bag"]
    assert sorted(plain, key=lambda hit: hit.product_id) == sorted(personal, key=lambda hit: hit.product_id)
    assert shop.ask().search_vector(toward(60), 6, user="u", taste_weight=0) == plain


def test_of_several_interests_the_nearest_counts(shop):
    shop.know({}, {"u": (0, 90)})

    found = [hit.product_id for hit in shop.ask().search_vector(toward(45), 6, user="u", taste_weight=1)]

    assert ({*found[:2]}, found[2], found[-1]) == ({"bag", "cap"}, "new", "sack")


def test_users_without_taste_and_unknown_users_get_what_everybody_gets(shop):
    plain = shop.ask().search_vector(toward(60), 3)
    assert shop.ask().search_vector(toward(60), 3, user="u") == plain
    shop.know({"u": ["hat"]}, {"v": 0})
    assert shop.ask().search_vector(toward(60), 3, user="u") == plain
    assert shop.ask().search_vector(toward(60), 3, user="w") == plain


def test_a_taste_of_another_model_is_refused_with_both_ids(shop):
    shop.know({}, {"u": 90}, model_id="m9")

    with pytest.raises(ModelMismatch, match="users__r1 holds vectors of model m9, not of model m1"):
        shop.ask().search_vector(toward(0), user="u")


def test_an_alias_that_serves_something_else_is_refused(shop):
    shop.store.point("related", "shop__p1")

    with pytest.raises(BadInput, match="alias related serves products, not related"):
        shop.ask().related("bag")


def test_new_recommendations_are_followed_once_their_second_is_over(shop):
    client = shop.ask(alias_s=0.0)
    assert told(client.related("bag", 1)) == [("tote", ALIKE)]
    shop.relate({"bag": ["hat"]}, {"bag": 10**9})

    assert told(client.related("bag", 1)) == [("hat", TOGETHER + ALIKE)]
