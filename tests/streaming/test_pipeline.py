"""From polled records to a changed view, without Kafka."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from streaming.moments import (
    Batched,
    DeadLetterAcknowledged,
    Embedded,
    LedgerWritten,
    Moment,
    Place,
    Restored,
    Retried,
    RowsWritten,
    Settled,
)
from tests.streaming.plumbing import FailingStore, Mailbox, Plumbing, eventually
from tests.streaming.records import listed
from vitrine.errors import BadInput, Unavailable
from vitrine.events import ListingEvent, Message, carried, encode, sha256
from vitrine.index import schema
from vitrine.rendering import draw, jpeg, look

PICTURE = jpeg(draw(look(1), size=64))
OTHER = jpeg(draw(look(2), size=64))
BROKEN = PICTURE[:40]


def shown(product_id: str, version: int = 1, *pictures: bytes) -> Message:
    pictures = pictures or (PICTURE,)
    event = ListingEvent(op="upsert", product_id=product_id, version=version, images=carried(pictures))
    return encode(event, {sha256(picture): picture for picture in pictures})


def versions(plumbing: Plumbing) -> dict[str, int]:
    fields = [schema.IMAGE_ID, schema.VERSION]
    return {str(row[fields[0]]): row[fields[1]] for row in plumbing.store.scan(plumbing.collection.name, fields=fields)}


def test_each_record_ends_once_as_what_became_of_it():
    with Plumbing() as plumbing:
        plumbing.take([shown("a", 2), shown("b"), shown("a", 1), listed("c", 1, op="delete"), Message(b"d", b"{")])
        plumbing.wait()
        assert plumbing.outcomes() == ["applied", "applied", "superseded", "deleted", "dead"]
        plumbing.take([shown("a", 1)])
        plumbing.wait()
        assert plumbing.outcomes()[5:] == ["stale"]
    assert versions(plumbing) == {"a/0": 2, "b/0": 1}
    assert sum(isinstance(moment, Settled) for moment in plumbing.moments) == 6


def test_moments_come_in_the_order_of_a_records_life():
    with Plumbing() as plumbing:
        plumbing.take([shown("a")])
        plumbing.wait()
    assert [type(moment) for moment in plumbing.moments] == [Batched, Embedded, RowsWritten, LedgerWritten, Settled]


def test_nothing_ends_before_it_is_written():
    written, seen = threading.Event(), list[bool]()

    def watch(moment: Moment) -> None:
        if isinstance(moment, LedgerWritten):
            written.set()
        if isinstance(moment, Settled):
            seen.append(written.is_set())

    with Plumbing(watch=watch) as plumbing:
        plumbing.take([shown("a"), shown("a", 2)])
        plumbing.wait()
    assert seen == [True, True]


def test_an_outage_of_the_database_is_waited_for():
    store = FailingStore(failures=2)
    with Plumbing(store) as plumbing:
        plumbing.take([shown("a")])
        plumbing.wait()
    assert versions(plumbing) == {"a/0": 1}
    assert [moment.where for moment in plumbing.moments if isinstance(moment, Retried)] == ["milvus", "milvus"]


def test_nothing_is_written_while_no_commit_passes():
    with Plumbing() as plumbing:
        plumbing.lease.renew(plumbing.tracker.epoch, -1e9)
        plumbing.take([shown("a")])
        eventually(lambda: any(isinstance(moment, Embedded) for moment in plumbing.moments))
        assert versions(plumbing) == {}
        plumbing.lease.renew(plumbing.tracker.epoch, 1e9)
        plumbing.wait()
        assert versions(plumbing) == {"a/0": 1}


def test_a_batch_whose_epoch_ends_between_rows_and_ledger_is_left_and_its_record_read_again():
    broken_off = False

    def watch(moment: Moment) -> None:
        nonlocal broken_off
        if isinstance(moment, RowsWritten) and not broken_off:
            broken_off = True
            plumbing.begin()

    with Plumbing(watch=watch) as plumbing:
        # A product that lacks a picture needs a ledger row after its rows.
        plumbing.take([shown("a", 1, PICTURE, BROKEN)])
        eventually(lambda: broken_off)
        assert plumbing.store.count(plumbing.collection.ledger) == 0
        plumbing.take([shown("a", 1, PICTURE, BROKEN)])
        plumbing.wait()
        assert plumbing.store.count(plumbing.collection.ledger) == 1
        assert plumbing.outcomes() == ["applied"]


def test_records_that_wait_when_their_epoch_ends_are_dropped():
    with Plumbing(batch_age_s=30.0) as plumbing:
        plumbing.take([shown("a")])
        plumbing.begin()
        plumbing.take([shown("b", n) for n in range(3)])
        assert plumbing.settled() == {}
    assert not plumbing.ending.failure


def test_a_record_that_holds_no_event_ends_when_its_dead_letter_is_acknowledged():
    with Plumbing(mailbox=Mailbox(acknowledges=False)) as plumbing:
        plumbing.take([Message(b"a", b"\x00", (("trace", b"7"),))])
        eventually(lambda: plumbing.mailbox.owed)
        assert plumbing.settled() == {}
        assert plumbing.tracker.committable() == {0: 0}
        plumbing.mailbox.owed.pop()(None)
        plumbing.wait()
    (letter,) = plumbing.mailbox.letters
    assert letter.message == Message(b"a", b"\x00", (("trace", b"7"),))
    assert (letter.origin.partition, letter.origin.offset, letter.reason) == (0, 0, "bad_event")
    acknowledged, ended = plumbing.moments[-2:]
    assert acknowledged == DeadLetterAcknowledged(Place(0, 0), "bad_event")
    assert ended == Settled(Place(0, 0), "dead", reasons=("bad_event",))


def test_a_dead_letter_is_sent_until_it_is_acknowledged():
    with Plumbing(mailbox=Mailbox(failures=[Unavailable("away")] * 2)) as plumbing:
        plumbing.take([Message(b"a", b"{"), Message(b"b", b"{")])
        plumbing.wait()
    assert sorted(letter.message.key for letter in plumbing.mailbox.letters) == [b"a", b"b"]
    assert {moment.where for moment in plumbing.moments if isinstance(moment, Retried)} == {"dead_letters"}


def test_a_record_too_large_for_the_dead_letters_is_buried_without_its_content():
    with Plumbing(mailbox=Mailbox(most_bytes=10)) as plumbing:
        plumbing.take([Message(b"a", b"{" * 11, (("own", b"1"),)), Message(b"b", b"{")])
        plumbing.wait()
        assert plumbing.outcomes() == ["dead", "dead"]
    large, small = plumbing.mailbox.letters
    assert (large.message, large.left_out_bytes, large.origin.offset) == (Message(b"a", b""), 16, 0)
    assert (small.message.value, small.left_out_bytes) == (b"{", 0)


def test_a_dead_letter_that_is_refused_for_good_ends_all_and_its_record_has_not_ended():
    with Plumbing(mailbox=Mailbox(failures=[BadInput("no permission")])) as plumbing:
        plumbing.take([Message(b"a", b"{")])
        eventually(lambda: plumbing.ending.over)
    assert isinstance(plumbing.ending.failure, BadInput)
    assert plumbing.settled() == {}


def test_a_product_with_a_broken_picture_lives_with_the_others_and_its_record_is_a_dead_letter_too():
    with Plumbing() as plumbing:
        plumbing.take([shown("a", 1, PICTURE, BROKEN)])
        plumbing.wait()
    (ended,) = plumbing.settled().values()
    assert ended.outcome == "applied"
    assert ended.reasons == ("truncated",)
    (letter,) = plumbing.mailbox.letters
    assert letter.message == shown("a", 1, PICTURE, BROKEN)
    assert "picture 1" in letter.detail
    assert versions(plumbing) == {"a/0": 1}


def test_a_text_that_is_too_long_is_cut_and_counted_once():
    listing = ListingEvent(op="upsert", product_id="a", version=1, title="x" * 10_000, images=carried([PICTURE]))
    with Plumbing() as plumbing:
        plumbing.take([encode(listing, {sha256(PICTURE): PICTURE})])
        plumbing.wait()
    (ended,) = plumbing.settled().values()
    assert ended.cut == 1


def test_many_records_in_a_row_without_an_event_end_all():
    with Plumbing(stop_after_bad=3) as plumbing:
        plumbing.take([Message(b"a", b"{"), Message(b"b", b"{"), shown("c"), Message(b"d", b"{"), Message(b"e", b"{")])
        plumbing.wait()
        assert not plumbing.ending.over
        plumbing.take([Message(b"f", b"{")])
        eventually(lambda: plumbing.ending.over)
    assert "3 records in a row hold no usable event" in str(plumbing.ending.failure)


def test_a_version_that_fell_is_applied_again():
    with Plumbing(settle_s=[0.2]) as plumbing:
        plumbing.take([shown("a")])
        plumbing.wait()
        plumbing.store.delete(plumbing.collection.name, ["a/0"])
        eventually(lambda: versions(plumbing) == {"a/0": 1})
    assert Restored("a", 1) in plumbing.moments
    assert len(plumbing.settled()) == 1


def test_a_version_that_fell_is_applied_again_although_its_batch_is_dropped():
    dropped = False

    def watch(moment: Moment) -> None:
        nonlocal dropped
        if isinstance(moment, Embedded) and Restored("a", 1) in plumbing.moments and not dropped:
            dropped = True
            plumbing.begin()

    with Plumbing(settle_s=[0.2], watch=watch) as plumbing:
        plumbing.take([shown("a")])
        plumbing.wait()
        plumbing.store.delete(plumbing.collection.name, ["a/0"])
        eventually(lambda: dropped and versions(plumbing) == {"a/0": 1})


def test_what_the_watch_raises_ends_all():
    def watch(moment: Moment) -> None:
        if isinstance(moment, Embedded):
            raise RuntimeError("enough")

    with Plumbing(watch=watch) as plumbing:
        plumbing.take([shown("a")])
        eventually(lambda: plumbing.ending.over)
    assert isinstance(plumbing.ending.failure, RuntimeError)


class Apart:
    """An Embedder that counts what it embeds apart."""

    def __init__(self, embedder) -> None:
        self.embedder, self.apart, self.opened = embedder, list[int](), 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.embedder, name)

    @contextmanager
    def isolated(self) -> Iterator["Apart"]:
        self.opened += 1
        yield self

    def embed(self, pictures):
        return self.embedder.embed(pictures)


def test_the_first_records_after_an_assignment_are_decoded_apart():
    from vitrine.testing import FakeEmbedder

    embedder = Apart(FakeEmbedder(dim=16))
    with Plumbing(embedder=embedder, in_flight_records=2) as plumbing:
        plumbing.take([shown("a")])
        plumbing.wait()
        plumbing.take([shown("b")])
        plumbing.wait()
        assert embedder.opened == 1
        plumbing.take([shown("c")])
        plumbing.wait()
        plumbing.begin()
        plumbing.take([shown("d")])
        plumbing.wait()
        assert embedder.opened == 2


@pytest.mark.parametrize("products", [1, 3])
def test_a_product_is_in_one_batch_at_a_time(products):
    under_way: set[str] = set()
    clashes: list[str] = []

    def watch(moment: Moment) -> None:
        if isinstance(moment, Batched):
            clashes.extend(under_way & set(moment.products))
            under_way.update(moment.products)
        if isinstance(moment, LedgerWritten):
            under_way.difference_update(moment.products)

    with Plumbing(watch=watch, batch_size=2, batch_age_s=0.0) as plumbing:
        for version in range(1, 30):
            plumbing.take([shown(f"p{version % products}", version)])
        plumbing.wait()
    assert not clashes
    assert set(versions(plumbing).values()) == set(range(30 - products, 30))
