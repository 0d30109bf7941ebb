"""Pictures that events name by their addresses."""

import pytest

from tests.streaming.shop import PREFIX, Shop, delete, picture, reasons, upsert
from vitrine.events import Listing
from vitrine.testing import MemoryStore


@pytest.fixture
def shop() -> Shop:
    return Shop(MemoryStore())


def test_an_address_is_fetched_and_its_bytes_are_hashed(shop):
    shop.take(upsert("p", 1, "@a b@b"))

    assert shop.states("p") == "1: a b"
    assert shop.asked == [PREFIX + "a", PREFIX + "b"]
    uris = {row["image_uri"] for row in shop.store.scan(shop.collection.name, fields=["image_uri"])}
    assert uris == {PREFIX + "a", PREFIX + "b"}


def test_an_address_is_not_fetched_for_a_hash_that_is_there(shop):
    shop.take(upsert("p", 1, "A"))

    shop.take(upsert("p", 2, "a@b"))

    assert (shop.states("p"), shop.asked) == ("2: a", [])


def test_an_address_is_fetched_once_for_all_products_of_a_batch(shop):
    shop.take(upsert("p", 1, "@a"), upsert("q", 1, "@a a@a"))

    assert (shop.states("p"), shop.states("q")) == ("1: a", "1: a a")
    assert shop.asked == [PREFIX + "a"]


def test_bytes_at_an_address_must_be_those_declared(shop):
    applied = shop.take(upsert("p", 1, "A b@c"))

    assert shop.states("p") == "1: a [b]"
    assert reasons(applied) == [(1, "hash_mismatch")]


def test_an_address_with_nothing_there_is_missing(shop):
    applied = shop.take(upsert("p", 1, "A @nowhere"))

    assert shop.states("p") == f"1: a [{PREFIX}nowhere]"
    assert reasons(applied) == [(1, "missing")]


def test_an_address_out_of_reach_keeps_the_vector_that_the_product_has_for_it(shop):
    shop.take(upsert("p", 1, "@a", price=9))
    shop.away = {"a"}

    applied = shop.take(upsert("p", 2, "@a", price=8), upsert("q", 1, "@a"))

    assert (shop.states("p"), shop.field("p", "price")) == ("2: a", 8)
    assert shop.states("q") == f"1: [{PREFIX}a]"
    assert reasons(applied) == [(0, "fetch_failed")]


def test_an_address_out_of_reach_keeps_no_vector_of_another_hash_or_from_before_a_delete(shop):
    shop.take(upsert("p", 1, "@a"), upsert("q", 1, "@a"))
    shop.away = {"a"}

    shop.take(upsert("p", 2, "b@a"), delete("q", 2), upsert("q", 3, "@a"))

    assert (shop.states("p"), shop.states("q")) == ("2: [b]", f"3: [{PREFIX}a]")


def test_a_long_address_that_was_cut_keeps_no_vector(shop):
    long = upsert("p", 1, "@a").event
    name = "a" * 2_040
    image = long.images[0].model_copy(update={"image_uri": PREFIX + name})
    shop.there[name] = picture("a")
    shop.take(Listing(long.model_copy(update={"images": (image,)})))
    shop.away = {name}

    shop.take(Listing(long.model_copy(update={"images": (image,), "version": 2})))

    assert shop.reasons("p") == ["fetch_failed"]
