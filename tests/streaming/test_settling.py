"""What another writer undid is found a while later and applied again."""

import pytest

from streaming.changes import change, coalesced
from streaming.settling import Settling
from tests.streaming.shop import PREFIX, Shop, delete, upsert
from vitrine.errors import Unavailable
from vitrine.index import stated
from vitrine.testing import MemoryStore


class Checked(Shop):
    """A shop whose applied changes are checked after 30 s and 900 s of its own clock."""

    def __init__(self, **options: object) -> None:
        super().__init__(MemoryStore())
        self.now_s = 0.0
        known = {"after_s": (30, 900), "max_bytes": 1 << 28, **options}
        self.settling = Settling(self.store, self.collection, clock=lambda: self.now_s, **known)

    def feed(self, *listings):
        self.settling.applied(self.take(*listings))

    def behind_the_back(self, *listings):
        """What a writer does that read the view before anything was there."""
        another = Shop(MemoryStore())
        prepared = another.applier.embed(another.applier.read(coalesced(map(change, listings))))
        self.applier.write(prepared, lambda: None)

    def check(self, now_s):
        self.now_s = now_s
        return self.settling.due()


@pytest.fixture
def shop() -> Checked:
    return Checked()


def versions(changes):
    return [(one.product_id, one.event.version) for one in changes]


def test_what_stands_as_it_was_written_is_checked_twice_and_then_forgotten(shop):
    shop.feed(upsert("p", 1, "A x"), delete("q", 1), upsert("r", 1, ""))

    assert [shop.check(now_s) for now_s in (29, 30, 899)] == [[], [], []]
    assert shop.settling.waiting == 3
    assert shop.check(900) == []
    assert shop.settling.waiting == 0


def test_a_newer_version_that_a_slower_writer_overwrote_is_restored(shop):
    shop.feed(upsert("p", 1, "A B"))
    shop.feed(upsert("p", 2, "C a", title="new"))
    shop.behind_the_back(upsert("p", 1, "A B"))
    assert shop.states("p") == "1: a b"

    fallen = shop.check(30)
    shop.settling.applied(shop.apply(fallen))

    assert versions(fallen) == [("p", 2)]
    assert (shop.states("p"), shop.field("p", "title")) == ("2: c a", "new")
    assert shop.embedder.forward_passes == 2


def test_single_rows_that_a_slower_writer_left_are_found_under_a_version_that_stands(shop):
    shop.feed(upsert("p", 1, "X B"))
    shop.feed(upsert("p", 2, "D"))
    shop.behind_the_back(upsert("p", 1, "X B"))
    assert stated.read(shop.store, shop.collection, ["p"])["p"].version == 2

    shop.apply(shop.check(30))

    assert shop.states("p") == "2: d"


def test_a_deleted_product_that_a_slower_writer_brought_back_is_deleted_again(shop):
    shop.feed(upsert("p", 1, "A"))
    shop.feed(delete("p", 2))
    shop.behind_the_back(upsert("p", 1, "A"))

    shop.apply(shop.check(30))

    assert shop.states("p") == "2: deleted"


def test_a_gap_that_was_filled_is_filled_again(shop):
    shop.feed(upsert("p", 2, "a B"))
    shop.feed(upsert("p", 1, "A b"))
    shop.behind_the_back(upsert("p", 1, "A B"))

    fallen = shop.check(30)
    shop.apply(fallen)

    assert versions(fallen) == [("p", 2)]
    assert shop.states("p") == "2: a b"


def test_what_is_restored_needs_no_address_again(shop):
    shop.feed(upsert("p", 1, "@a"))
    shop.store.delete(shop.collection.name, ["p/0"])
    shop.away = {"a"}

    shop.apply(shop.check(30))

    assert (shop.states("p"), shop.asked) == ("1: a", [PREFIX + "a"])


def test_a_picture_that_a_slower_writer_took_from_a_newer_version_is_given_back(shop):
    shop.feed(upsert("p", 1, "A"))
    shop.feed(upsert("p", 2, "B"))
    shop.behind_the_back(upsert("p", 1, "A"))
    shop.take(upsert("p", 3, "b", title="of another member"))
    assert shop.states("p") == "3: [b]"

    shop.apply(shop.check(30))

    assert (shop.states("p"), shop.field("p", "title")) == ("3: b", "of another member")
    assert shop.check(900) == []


def test_a_newer_version_of_another_writer_is_left_alone(shop):
    shop.feed(upsert("p", 1, "A"))
    shop.behind_the_back(upsert("p", 2, "B"))

    assert shop.check(30) == []
    assert shop.states("p") == "2: b"


def test_a_restored_change_gives_way_to_what_comes_at_the_same_time(shop):
    shop.feed(upsert("p", 1, "A"))
    shop.store.delete(shop.collection.name, ["p/0"])

    shop.apply(coalesced([*map(change, [upsert("p", 2, "a B")]), *shop.check(30)]))

    assert shop.states("p") == "2: a b"


def test_the_time_of_a_check_counts_from_the_newest_version(shop):
    shop.feed(upsert("p", 1, "A"))
    shop.now_s = 20
    shop.feed(upsert("p", 2, "a"))
    shop.behind_the_back(upsert("p", 1, "A"))

    assert shop.check(30) == []
    assert versions(shop.check(50)) == [("p", 2)]


def test_what_is_found_fallen_and_not_applied_is_found_again_at_the_next_check(shop):
    shop.feed(upsert("p", 1, "A"))
    shop.store.delete(shop.collection.name, ["p/0"])

    assert versions(shop.check(30)) == versions(shop.check(900)) == [("p", 1)]
    assert shop.settling.waiting == 0


def test_a_check_that_gets_no_answer_is_made_again(shop, monkeypatch):
    shop.feed(upsert("p", 1, "A"))
    shop.store.delete(shop.collection.name, ["p/0"])

    with monkeypatch.context() as patched:
        patched.setattr(stated, "read", unavailable)
        with pytest.raises(Unavailable):
            shop.check(30)

    assert versions(shop.check(31)) == [("p", 1)]


def unavailable(*_: object, **__: object):
    raise Unavailable("away")


def test_beyond_its_bound_the_oldest_are_dropped_and_counted():
    shop = Checked(max_bytes=20_000)

    for number in range(10):
        shop.feed(upsert(f"p{number}", 1, "A"))

    assert 0 < shop.settling.waiting < 10
    assert shop.settling.dropped == 10 - shop.settling.waiting
    shop.store.delete(shop.collection.name, ["p0/0", "p9/0"])
    assert versions(shop.check(30)) == [("p9", 1)]


def test_versions_of_one_product_take_the_place_of_each_other():
    shop = Checked(max_bytes=20_000)

    for version in range(50):
        shop.feed(upsert("p", version, "A"))

    assert (shop.settling.waiting, shop.settling.dropped) == (1, 0)


def test_a_check_reads_a_bounded_number_of_products(shop):
    shop.feed(*(upsert(f"p{number}", 1, "A") for number in range(300)))
    shop.store.delete(shop.collection.name, [f"p{number}/0" for number in range(300)])

    shop.now_s = 30

    assert [len(shop.settling.due()) for _ in range(4)] == [128, 128, 44, 0]


def test_what_was_cleared_is_not_checked(shop):
    shop.feed(upsert("p", 1, "A"))
    shop.store.delete(shop.collection.name, ["p/0"])

    shop.settling.clear()

    assert shop.check(900) == []
    assert shop.settling.waiting == 0
