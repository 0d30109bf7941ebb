"""Which collections a cursor may lead to."""

from dataclasses import replace

import pytest

from tests.client.test_finding import ids, looking
from vitrine.client import StaleCursor
from vitrine.client.paging import Cursor
from vitrine.index import collections


def test_a_cursor_leads_only_to_what_is_served_or_was_just_before(shop):
    shop.serve({"a/0": 0, "old/0": 10})
    query = looking(0, k=1, cursor=shop.client().find(looking(0, k=1)).next_cursor)

    shop.serve({"new/0": 0}, "r2")
    assert ids(shop.client().find(query)) == ["old"]
    shop.serve({"new/0": 0}, "r3")
    with pytest.raises(StaleCursor, match="not served any more"):
        shop.client().find(query)


def test_a_cursor_that_names_a_collection_not_yet_served_is_refused(shop):
    shop.serve({"a/0": 0, "old/0": 10})
    query = looking(0, k=1)
    made = collections.create(shop.store, replace(shop.client().collection.facts, run="r2"))

    with pytest.raises(StaleCursor, match="not served any more"):
        shop.client().find(replace(query, cursor=Cursor(query.digest(), made.name, 1).text()))
