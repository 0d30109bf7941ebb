"""A database that hides rows for a while, or shows replaced ones, leads nobody astray who wrote them not long ago."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.settling import Settling
from tests.streaming.shop import Shop, delete, upsert
from tests.streaming.test_any_order import histories
from vitrine.events import Listing
from vitrine.index.rows import Row
from vitrine.index.stated import Stated
from vitrine.testing import MemoryStore


class Lying(MemoryStore):
    """While it has `dice`, it leaves rows out of answers by chance, and shows some as they once were."""

    def __init__(self) -> None:
        super().__init__()
        self.dice: random.Random | None = None
        self._once: dict[tuple[str, object], Row] = {}

    def upsert(self, collection: str, rows: Sequence[Row]) -> None:
        super().upsert(collection, rows)
        for row in self._find(collection).rows:
            self._once.setdefault((collection, next(iter(row.values()))), dict(row))

    def query(self, collection, matching, *, fields, strong=False):
        rows = super().query(collection, matching, fields=fields, strong=strong)
        if self.dice is None:
            return rows
        shown = [row for row in rows if self.dice.random() < 0.6]
        return [self._before(collection, row, fields) if self.dice.random() < 0.2 else row for row in shown]

    def _before(self, collection: str, row: Row, fields: Sequence[str]) -> Row:
        once = self._once.get((collection, next(iter(row.values()))))
        return {name: once[name] for name in fields} if once else row


class Remembering(Shop):
    """A shop that keeps what it wrote."""

    def __init__(self, store: Lying) -> None:
        super().__init__(store, completed=self._completed)
        self.settling = Settling(store, self.collection)

    def _completed(self, read: Stated) -> Stated:
        return self.settling.completed(read)

    def take(self, *listings: Listing, **options: object):
        applied = super().take(*listings, **options)
        self.settling.applied(applied)
        return applied


@pytest.fixture
def shop() -> Remembering:
    return Remembering(Lying())


@pytest.mark.parametrize("lie", [0, 1, 2, 3])
def test_a_hidden_row_is_deleted_when_its_picture_leaves_and_missed_by_nobody_while_it_stays(shop, lie):
    shop.take(upsert("p", 1, "A B C"))
    shop.store.dice = random.Random(lie)
    applied = shop.take(upsert("p", 2, "b"))
    assert not applied[0].rejects
    shop.store.dice = None
    assert shop.states("p") == "2: b"


def test_a_hidden_version_is_no_reason_to_go_back(shop):
    shop.take(upsert("p", 5, "A"))
    shop.store.dice = random.Random(1)
    for _ in range(5):
        assert [str(one.outcome) for one in shop.take(upsert("p", 4, "B"))] == ["stale"]


def test_a_version_of_another_writer_counts_for_more_than_what_is_remembered(shop):
    shop.take(upsert("p", 1, "A B"))
    Shop.take(shop, upsert("p", 7, "C"))
    assert [str(one.outcome) for one in shop.take(upsert("p", 3, "A"))] == ["stale"]
    shop.take(delete("p", 8))
    assert shop.states("p") == "8: deleted"


@given(histories("p"), st.integers(0, 2**32))
def test_whatever_is_hidden_the_view_ends_as_it_would(history, seed):
    honest, lied_to = Shop(MemoryStore()), Remembering(Lying())
    lied_to.store.dice = random.Random(seed)
    honest.each(history)
    lied_to.each(history)
    lied_to.store.dice = None
    assert lied_to.states("p") == honest.states("p")
