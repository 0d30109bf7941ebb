"""Batches: by size, bytes and age, of each product at most one at a time."""

from hypothesis import given
from hypothesis import strategies as st

from streaming.batches import Batches
from streaming.changes import Change
from streaming.records import Delivery
from tests.streaming.records import delivery, listed, taken
from vitrine.events import ListingEvent

LATER_S = 1e9


def at(offset: int, product_id: str, *, version: int = 1, at_s: float = 0.0) -> Delivery:
    return delivery(taken(offset, message=listed(product_id, version), at_s=at_s))


def waiting(*deliveries: Delivery, most_products: int = 3, most_bytes: int = 1 << 30, age_s: float = 10.0) -> Batches:
    batches = Batches(most_products=most_products, most_bytes=most_bytes, age_s=age_s)
    for one in deliveries:
        batches.add(one)
    return batches


def offsets(batch) -> dict[str, list[int]]:
    return {product: [one.record.place.offset for one in came] for product, came in batch.products.items()}


def test_a_batch_is_due_when_enough_products_wait():
    batches = waiting(at(0, "a"), at(1, "b"))
    assert batches.take(1, 0.0) is None
    batches.add(at(2, "c"))
    assert offsets(batches.take(1, 0.0)) == {"a": [0], "b": [1], "c": [2]}


def test_a_batch_is_due_when_one_has_waited_long_enough():
    batches = waiting(at(0, "a", at_s=5.0))
    assert batches.due_s() == 15.0
    assert batches.take(1, 14.9) is None
    assert offsets(batches.take(1, 15.0)) == {"a": [0]}


def test_a_batch_is_due_when_enough_bytes_wait_and_takes_no_more_than_those():
    size = at(0, "a").size_bytes
    batches = waiting(at(0, "a"), at(1, "b"), at(2, "c"), most_products=9, most_bytes=2 * size)
    assert offsets(batches.take(1, 0.0)) == {"a": [0], "b": [1]}


def test_a_record_beyond_all_limits_goes_alone():
    batches = waiting(at(0, "a"), at(1, "b"), most_bytes=1)
    assert offsets(batches.take(1, 0.0)) == {"a": [0]}
    assert offsets(batches.take(1, 0.0)) == {"b": [1]}


def test_a_product_waits_while_a_batch_has_it():
    batches = waiting(at(0, "a"))
    batches.take(1, LATER_S)
    batches.add(at(1, "a"))
    assert batches.take(1, LATER_S) is None
    batches.release(["a"])
    assert offsets(batches.take(1, LATER_S)) == {"a": [1]}


def test_all_that_waits_of_a_product_is_one_change():
    batch = waiting(at(0, "a", version=1), at(1, "a", version=3), at(2, "a", version=2)).take(1, LATER_S)
    assert [change.event.version for change in batch.changes()] == [3]
    assert batch.records == 3


def test_records_are_forgotten_and_what_the_settle_check_handed_in_stays():
    fallen = Change(ListingEvent(op="delete", product_id="b", version=1))
    batches = waiting(at(0, "a"), at(1, "b"), Delivery(fallen, 0.0))
    batches.forget_records()
    batch = batches.take(2, LATER_S)
    assert {product: len(came) for product, came in batch.products.items()} == {"b": 1}
    assert batch.records == 0


def test_what_is_busy_stays_so_when_records_are_forgotten():
    batches = waiting(at(0, "a"))
    batches.take(1, LATER_S)
    batches.forget_records()
    batches.add(at(0, "a"))
    assert batches.take(2, LATER_S) is None


@given(st.lists(st.one_of(st.sampled_from("abcdef"), st.just("take"), st.just("release")), max_size=80))
def test_every_delivery_is_given_once_in_the_order_of_its_product_and_never_beside_another_batch(steps):
    batches, given_out, came = waiting(most_products=2, age_s=0.0), list[list[Delivery]](), dict[str, list[int]]()
    seen: dict[str, list[int]] = {}
    for offset, step in enumerate([*steps, *["take", "release"] * len(steps)]):
        if step == "take" and (batch := batches.take(1, LATER_S)):
            busy = {one.change.product_id for taken_out in given_out for one in taken_out}
            assert not busy & set(batch.products)
            assert len(batch.products) <= 2
            given_out.append(list(batch.deliveries))
            for product, numbers in offsets(batch).items():
                seen.setdefault(product, []).extend(numbers)
        elif step == "release" and given_out:
            batches.release([one.change.product_id for one in given_out.pop(0)])
        elif step not in ("take", "release"):
            came.setdefault(step, []).append(offset)
            batches.add(at(offset, step))
    assert seen == came
