"""Deliveries wait for their batch."""

import threading

from streaming.batches import Batches
from streaming.changes import Change
from streaming.records import Delivery
from streaming.waiting import Waiting
from tests.streaming.records import delivery, listed, taken
from vitrine.events import ListingEvent


class Room:
    """A waiting room whose epoch is set by hand; a batch is due as soon as anything waits."""

    def __init__(self, age_s: float = 0.0) -> None:
        self.epoch = 1
        self.waiting = Waiting(Batches(most_products=9, most_bytes=1 << 30, age_s=age_s), lambda: self.epoch)


def came(offset: int, product_id: str = "a", epoch: int = 1):
    return delivery(taken(offset, epoch=epoch, message=listed(product_id, op="delete")))


def test_what_waits_is_given_as_soon_as_it_is_due():
    room, batches = Room(), []
    thread = threading.Thread(target=lambda: batches.append(room.waiting.take(30.0)))
    thread.start()
    room.waiting.add([came(0)])
    thread.join()
    assert list(batches[0].products) == ["a"]


def test_nothing_is_given_when_the_time_has_passed():
    assert Room().waiting.take(0.01) is None


def test_a_product_that_was_released_is_given_again():
    room = Room()
    room.waiting.add([came(0)])
    assert room.waiting.take(1.0)
    room.waiting.add([came(1)])
    assert room.waiting.take(0.01) is None
    room.waiting.release(["a"])
    assert room.waiting.take(1.0)


def test_what_comes_of_an_epoch_that_has_ended_is_dropped():
    room = Room()
    room.epoch = 2
    room.waiting.add([came(0, epoch=1), came(0, "b", epoch=2)])
    assert list(room.waiting.take(1.0).products) == ["b"]


def test_what_waited_when_the_epoch_ended_is_never_given_as_of_the_next():
    room = Room()
    room.waiting.add([came(0)])
    room.epoch = 2
    assert room.waiting.take(0.01) is None
    room.waiting.add([came(0, epoch=2)])
    assert room.waiting.take(1.0).epoch == 2


def fallen(product_id: str) -> Delivery:
    """What the settle check hands in."""
    return Delivery(Change(ListingEvent(op="delete", product_id=product_id, version=1)), 0.0)


def test_what_the_settle_check_handed_in_waits_again_when_its_batch_is_dropped():
    room = Room()
    room.waiting.add([came(0), fallen("b")])
    batch = room.waiting.take(1.0)
    assert set(batch.products) == {"a", "b"}
    room.epoch = 2
    room.waiting.drop(batch)
    again = room.waiting.take(1.0)
    assert (list(again.products), again.epoch) == (["b"], 2)


def test_what_the_settle_check_handed_in_is_given_although_the_records_beside_it_are_of_an_epoch_that_ended():
    room = Room()
    room.waiting.add([came(0), fallen("b")])
    room.epoch = 2
    assert list(room.waiting.take(1.0).products) == ["b"]
