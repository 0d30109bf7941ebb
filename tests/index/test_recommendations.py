import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.index import recommendations, schema
from vitrine.index.recommendations import Interest, Item, Related, fit_items, interest_row, related_row
from vitrine.index.schema import Contents

HOSTILE = [
    "",
    "plain",
    'say "hi"',
    "back\\slash",
    "a/b/../c",
    "line\nbreak\t",
    "\x00\x01",
    "花\U0001f600",
    "' or 1 == 1",
]
IDS = [name or "x" * 256 for name in HOSTILE]


@pytest.fixture
def store(near_store):
    return near_store


def ranked(product_ids):
    return tuple(Item(one, 1 / rank, rank, rank, 7) for rank, one in enumerate(product_ids, 1))


def filled(store, contents, rows, dim=2):
    name = f"{contents}__1"
    store.create(name, schema.layout(contents, dim), description="")
    store.insert(name, rows)
    store.prepare(name)
    return name


@given(st.lists(st.text(max_size=40), max_size=8), st.integers(12, 900))
def test_items_are_kept_whole_from_the_first_on_as_many_as_fit(product_ids, max_bytes):
    items = ranked(product_ids)

    text, cut = fit_items(items, max_bytes)

    kept = json.loads(text)["items"]
    assert len(text.encode()) <= max_bytes
    assert [one["product_id"] for one in kept] == product_ids[: len(items) - cut]
    assert not cut or len(fit_items(items[: len(kept) + 1], 10**6)[0].encode()) > max_bytes


def test_items_that_fill_a_row_to_the_byte_fit():
    items = ranked("abc")
    two = len(fit_items(items[:2])[0])

    assert fit_items(items, two) == (fit_items(items[:2])[0], 1)
    assert fit_items(items, two - 1)[1] == 2


def test_fifty_of_the_longest_plain_ids_fit_into_a_row():
    text, cut = fit_items(ranked(["x" * 256] * 50))

    assert (cut, len(text.encode()) < schema.ITEMS_MAX_BYTES) == (0, True)


def test_a_list_over_60_kilobytes_loses_its_tail():
    _, cut = related_row(Related("p", 1, ranked(["\x01" * 256] * 50)))

    assert cut == 50 - 60_000 // (256 * len("\\u0001") + 66)


def test_related_products_are_read_as_they_were_written(store):
    stated = [Related(one, support, ranked(IDS), "", 0) for support, one in enumerate(IDS)]
    name = filled(store, Contents.RELATED, [related_row(one)[0] for one in stated])

    assert recommendations.related(store, name, IDS) == {one.product_id: one for one in stated}
    assert recommendations.related(store, name, ["unknown"]) == {}


def test_the_longest_list_is_stored_whole(store):
    row, cut = related_row(Related("p", 1, ranked(["é" * 128] * 500)))
    name = filled(store, Contents.RELATED, [row])

    kept = recommendations.related(store, name, ["p"])["p"].items
    assert (cut > 0, len(kept)) == (True, 500 - cut)


def test_a_question_may_name_500_of_the_longest_ids(store):
    longest = [f"{i:04}" + "\\" * 252 for i in range(500)]
    name = filled(store, Contents.RELATED, [related_row(Related(one, 1))[0] for one in longest[:3]])

    assert sorted(recommendations.related(store, name, longest)) == sorted(longest[:3])


def test_popular_products_come_by_their_rank_within_the_category(store):
    stated = [Related(one, 1, (), "A/B", rank) for one, rank in (("c", 3), ("a", 1), ("b", 2), ("none", 0))]
    stated += [Related("other", 1, (), "A", 1), Related("no category", 1, (), "", 1)]
    name = filled(store, Contents.RELATED, [related_row(one)[0] for one in stated])

    assert recommendations.popular(store, name, "A/B", 2) == ["a", "b"]
    assert recommendations.popular(store, name, "A/B", 50) == ["a", "b", "c"]
    assert recommendations.popular(store, name, "", 50) == ["no category"]
    assert recommendations.popular(store, name, 'C"', 50) == []


def test_the_interests_of_a_user_come_in_their_order(store):
    stated = [
        Interest("u", 1, (), 0.5, np.array([0, 1, 0], np.float32)),
        Interest("u", 0, ranked(IDS), 2.5, np.array([1, 0, 0], np.float32)),
        Interest("v", 0, (), 0.0, np.array([1, 0, 0], np.float32)),
    ]
    name = filled(store, Contents.USERS, [interest_row(one)[0] for one in stated], dim=3)

    found = recommendations.interests(store, name, "u")

    assert [(one.interest, one.items, one.weight) for one in found] == [(0, ranked(IDS), 2.5), (1, (), 0.5)]
    assert found[1].vector == pytest.approx([0, 1, 0])
    assert recommendations.interests(store, name, 'u" or user_hash != "') == []
