"""What a batch of records asks of each product."""

import pytest

from streaming.changes import Change, Rejected, carrier, change, coalesced
from tests.streaming.shop import HASHES, delete, upsert
from vitrine.events import Listing
from vitrine.product import Reason, Reject


def together(*listings: Listing) -> list[Change]:
    return coalesced(map(change, listings))


def test_products_come_in_the_order_in_which_they_came_first():
    found = together(upsert("b", 1), upsert("a", 1), upsert("b", 2))

    assert [(one.product_id, one.event.version) for one in found] == [("b", 2), ("a", 1)]


@pytest.mark.parametrize("turn", [1, -1])
def test_the_highest_version_stands_whatever_comes_last(turn):
    [found] = together(*[upsert("p", 2), upsert("p", 3), upsert("p", 1)][::turn])

    assert found.event.version == 3


@pytest.mark.parametrize("turn", [1, -1])
def test_of_equal_versions_a_delete_stands_else_the_later(turn):
    [found] = together(*[upsert("p", 1), delete("p", 1)][::turn])
    [later] = together(*[upsert("p", 1, title="b"), upsert("p", 1, title="a")][::turn])

    assert found.deletes
    assert later.event.title == ("a" if turn == 1 else "b")


def test_bytes_of_all_records_since_the_last_delete_are_kept():
    [found] = together(
        upsert("p", 1, "A"), delete("p", 2), upsert("p", 5, "c"), upsert("p", 4, "B"), upsert("p", 3, "C")
    )

    assert set(found.pictures) == {HASHES["b"], HASHES["c"]}
    assert found.deleted_at == 2


def test_a_delete_that_stands_keeps_no_bytes():
    [found] = together(upsert("p", 1, "A"), delete("p", 2))

    assert not found.pictures


def test_the_record_that_brought_a_picture_is_the_one_to_keep_else_the_one_that_stands():
    wrong = Listing(upsert("p", 1, "b").event, {}, {0: Reject(Reason.HASH_MISMATCH)})
    listings = [upsert("p", 1, "X"), wrong, upsert("p", 3, "x b c"), upsert("p", 2, "c")]

    def kept(name: str) -> int:
        return carrier(listings, Rejected(0, HASHES[name], Reason.CORRUPT))

    assert [kept("x"), kept("b"), kept("c")] == [0, 1, 2]
