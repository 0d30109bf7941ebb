"""What a view states after events; each of the rules of listing events."""

import pytest

from streaming.moments import Outcome
from tests.streaming.shop import Shop, delete, outcomes, reasons, upsert
from vitrine.events import Listing
from vitrine.product import Reason, Reject
from vitrine.testing import MemoryStore


@pytest.fixture
def shop() -> Shop:
    return Shop(MemoryStore())


def test_a_new_product_has_a_row_for_each_picture(shop):
    said = upsert("p", 1, "A B", title="Shirt", category="Apparel/Shirts", brand="Acme", price=9.5, in_stock=False)

    [applied] = shop.take(said)

    assert shop.states("p") == "1: a b"
    assert (applied.outcome, applied.embedded, applied.cut) == (Outcome.APPLIED, 2, 0)
    expected = {"title": "Shirt", "category": "Apparel/Shirts", "brand": "Acme", "price": 9.5, "in_stock": False}
    assert {name: shop.field("p", name) for name in expected} == expected
    assert (shop.field("p", "event_us"), shop.field("p", "indexed_us")) == (1, 1_000)


def test_a_price_change_needs_no_bytes_and_embeds_nothing(shop):
    shop.take(upsert("p", 1, "A B", price=9))

    [applied] = shop.take(upsert("p", 2, "a b", price=8))

    assert shop.states("p") == "2: a b"
    assert shop.field("p", "price") == 8
    assert applied.embedded == 0
    assert shop.embedder.forward_passes == 1


def test_only_the_picture_that_changed_is_embedded(shop):
    shop.take(upsert("p", 1, "A B C"))

    [applied] = shop.take(upsert("p", 2, "a D c"))

    assert shop.states("p") == "2: a d c"
    assert applied.embedded == 1


def test_pictures_exchange_their_places_without_bytes(shop):
    shop.take(upsert("p", 1, "A B"))

    shop.take(upsert("p", 2, "b a"))

    assert shop.states("p") == "2: b a"


def test_one_picture_may_stand_in_several_places(shop):
    shop.take(upsert("p", 1, "A a"))

    assert shop.states("p") == "1: a a"
    assert shop.embedder.forward_passes == 1


def test_rows_that_are_no_longer_listed_go(shop):
    shop.take(upsert("p", 1, "A B C"))

    shop.take(upsert("p", 2, "c"))

    assert shop.states("p") == "2: c"


def test_equal_bytes_of_two_products_are_embedded_once(shop):
    shop.take(upsert("p", 1, "A"), upsert("q", 1, "A"))

    assert (shop.states("p"), shop.states("q")) == ("1: a", "1: a")
    assert shop.embedder.forward_passes == 1


def test_a_declared_hash_is_not_looked_for_in_other_products(shop):
    shop.take(upsert("p", 1, "A"))

    shop.take(upsert("q", 1, "a"))
    shop.take(upsert("r", 1, "a"), upsert("s", 1, "A"))

    assert (shop.states("q"), shop.states("r")) == ("1: [a]", "1: [a]")


def test_a_lower_version_changes_nothing(shop):
    shop.take(upsert("p", 2, "A", price=8))

    [applied] = shop.take(upsert("p", 1, "B", price=9))

    assert (shop.states("p"), shop.field("p", "price")) == ("2: a", 8)
    assert (applied.outcome, applied.version, applied.restated) == (Outcome.STALE, 1, None)


def test_an_equal_version_is_applied_again(shop):
    shop.take(upsert("p", 1, "A B"))
    shop.store.delete(shop.collection.name, ["p/1"])

    assert outcomes(shop.take(upsert("p", 1, "A B"))) == ["applied"]

    assert shop.states("p") == "1: a b"


def test_a_delete_removes_the_rows_and_stays_in_the_ledger(shop):
    shop.take(upsert("p", 1, "A B"))

    assert outcomes(shop.take(delete("p", 2))) == ["deleted"]

    assert shop.states("p") == "2: deleted"
    assert shop.store.count(shop.collection.name) == 0


def test_an_unknown_product_that_is_deleted_stays_deleted(shop):
    shop.take(delete("p", 2))

    assert outcomes(shop.take(upsert("p", 1, "A"))) == ["stale"]

    assert shop.states("p") == "2: deleted"


def test_of_equal_versions_a_delete_wins_whichever_comes_first(shop):
    shop.each([upsert("p", 1, "A"), delete("p", 1), upsert("q", 1, "A")])
    shop.each([delete("q", 1), upsert("q", 1, "A")])
    shop.take(delete("r", 1), upsert("r", 1, "A"))

    assert [shop.states(product_id) for product_id in "pqr"] == ["1: deleted"] * 3


def test_a_deleted_product_that_is_listed_again_leaves_the_ledger(shop):
    shop.each([upsert("p", 1, "A"), delete("p", 2), upsert("p", 3, "A B")])

    assert shop.states("p") == "3: a b"
    assert shop.store.count(shop.collection.ledger) == 0


def test_a_delete_voids_the_pictures_up_to_it_in_one_batch_as_one_by_one(shop):
    shop.each([upsert("p", 1, "A"), delete("p", 2), upsert("p", 3, "a")])
    shop.take(upsert("q", 1, "A"), delete("q", 2), upsert("q", 3, "a"))
    shop.take(upsert("r", 1, "A"))
    shop.take(delete("r", 2), upsert("r", 3, "a"))

    assert [shop.states(product_id) for product_id in "pqr"] == ["3: [a]"] * 3


def test_a_batch_keeps_the_pictures_of_events_that_it_supersedes(shop):
    [applied] = shop.take(upsert("p", 1, "A"), upsert("p", 2, "a B"), upsert("p", 3, "b a", price=7))

    assert (shop.states("p"), shop.field("p", "price")) == ("3: b a", 7)
    assert applied.version == 3


def test_a_price_change_before_its_picture_is_filled_by_the_older_event(shop):
    [early] = shop.take(upsert("p", 2, "a", title="new", price=8))
    assert shop.states("p") == "2: [a]"
    assert shop.reasons("p") == ["image_unavailable"]
    assert reasons([early]) == [(0, "image_unavailable")]

    [late] = shop.take(upsert("p", 1, "A", title="old", price=9))

    assert (shop.states("p"), shop.field("p", "title"), shop.field("p", "price")) == ("2: a", "new", 8)
    assert (late.outcome, late.version, late.embedded, late.rejects) == (Outcome.STALE, 1, 1, ())


def test_older_events_fill_gaps_one_after_the_other(shop):
    shop.each([upsert("p", 4, "c b a"), upsert("p", 2, "A"), upsert("p", 3, "a B"), upsert("p", 1, "C")])

    assert shop.states("p") == "4: c b a"


def test_an_older_event_fills_no_gap_of_a_deleted_product(shop):
    shop.each([upsert("p", 2, "a"), delete("p", 3), upsert("p", 1, "A")])

    assert shop.states("p") == "3: deleted"


def test_a_picture_that_cannot_be_used_leaves_the_others(shop):
    applied = shop.take(upsert("p", 1, "A X B"))

    assert shop.states("p") == "1: a [x] b"
    assert reasons(applied) == [(1, "unsupported_format")]
    assert outcomes(applied) == ["applied"]


def test_a_product_without_a_usable_picture_has_no_rows_and_is_in_the_ledger(shop):
    shop.take(upsert("p", 1, "A"))
    shop.take(upsert("p", 2, "X"), upsert("q", 1, ""))

    assert (shop.states("p"), shop.states("q")) == ("2: [x]", "1:")
    assert shop.store.count(shop.collection.name) == 0


def test_a_picture_that_failed_keeps_its_reason_and_is_not_reported_at_each_later_version(shop):
    shop.take(upsert("p", 1, "A X"))

    applied = shop.take(upsert("p", 2, "a x"))

    assert (shop.states("p"), shop.reasons("p")) == ("2: a [x]", ["unsupported_format"])
    assert reasons(applied) == []


def test_the_same_event_after_a_kill_reports_its_rejects_again(shop):
    first = shop.take(upsert("p", 1, "A b"))

    assert reasons(shop.take(upsert("p", 1, "A b"))) == reasons(first) == [(1, "image_unavailable")]


def test_bytes_that_are_not_those_declared_are_a_reject_of_their_own(shop):
    said = upsert("p", 1, "A b")

    applied = shop.take(Listing(said.event, said.pictures, {1: Reject(Reason.HASH_MISMATCH)}))

    assert shop.states("p") == "1: a [b]"
    assert reasons(applied) == [(1, "hash_mismatch")]


def test_bytes_of_another_event_are_as_good_as_those_that_were_not_the_declared(shop):
    wrong = Listing(upsert("p", 2, "a b").event, {}, {1: Reject(Reason.HASH_MISMATCH)})

    shop.take(upsert("p", 1, "A B"), wrong)

    assert shop.states("p") == "2: a b"


def test_more_pictures_than_count_are_rejects(shop):
    shop = Shop(MemoryStore(), max_images=2)

    applied = shop.take(upsert("p", 1, "A B C"))

    assert shop.states("p") == "1: a b [c]"
    assert reasons(applied) == [(2, "too_many_images")]


def test_texts_that_are_too_long_are_cut_and_counted(shop):
    [applied] = shop.take(upsert("p", 1, "A B", title="é" * 2_000, attributes={"k": "v" * 70_000}))

    assert shop.field("p", "title") == "é" * 512
    assert applied.cut == 2  # of the product, however many pictures it has


def test_what_a_statement_of_a_gap_cannot_hold_costs_only_the_later_fill(shop):
    shop.take(upsert("p", 2, "a b", attributes={"k": "v" * 70_000}))
    shop.take(upsert("p", 1, "A B"))

    assert shop.states("p") == "2: [a] [b]"
