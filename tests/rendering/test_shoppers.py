from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from vitrine.quality import share_by_chance
from vitrine.rendering import write_demo_catalog
from vitrine.rendering.looks import SHAPES
from vitrine.rendering.shoppers import OCCASIONS, SCHEMA, write_demo_events


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo_catalog(tmp_path_factory.mktemp("shop"), products=200).path


@pytest.fixture(scope="module")
def events(catalog: Path) -> list[dict[str, object]]:
    return pq.read_table(write_demo_events(catalog, catalog.parent, sessions=300)).to_pylist()


def by_session(events: list[dict[str, object]], kind: str) -> dict[object, list[dict[str, object]]]:
    found: defaultdict[object, list[dict[str, object]]] = defaultdict(list)
    for event in events:
        if event["event_type"] == kind:
            found[event["session_id"]].append(event)
    return found


def test_the_same_arguments_give_the_same_events(catalog: Path, tmp_path: Path) -> None:
    one, two = (write_demo_events(catalog, tmp_path / name, sessions=20) for name in "ab")
    assert pq.read_table(one).equals(pq.read_table(two))
    assert pq.read_schema(one).equals(SCHEMA)


def test_every_kind_of_product_is_wanted_on_some_occasion() -> None:
    assert {kind for occasion in OCCASIONS for kind in occasion} == {
        shape.category.rpartition("/")[2] for shape in SHAPES
    }


def test_events_are_of_the_catalogue_and_in_the_order_of_their_time(catalog: Path, events) -> None:
    known = set(pq.read_table(catalog, columns=["product_id"])["product_id"].to_pylist())
    assert {event["product_id"] for event in events} <= known
    assert len({event["product_id"] for event in events}) > 0.8 * len(known)
    for views in by_session(events, "view").values():
        assert views == sorted(views, key=lambda event: event["event_ts"])


def test_what_is_bought_was_in_the_cart_and_what_is_in_the_cart_was_seen(events) -> None:
    seen, carted, bought = (
        {(event["session_id"], event["product_id"]) for event in events if event["event_type"] == kind}
        for kind in ("view", "cart", "purchase")
    )
    assert bought < carted < seen


def test_what_is_bought_together_goes_together(catalog: Path, events) -> None:
    rows = pq.read_table(catalog, columns=["product_id", "category", "attributes"]).to_pylist()
    colours = {row["product_id"]: dict(row["attributes"])["colour"] for row in rows}
    kinds = {row["product_id"]: row["category"] for row in rows}
    baskets = by_session(events, "purchase").values()
    pairs = [pair for basket in baskets for pair in combinations([event["product_id"] for event in basket], 2)]
    assert len(pairs) > 50
    of_one_colour = np.mean([colours[one] == colours[other] for one, other in pairs])
    assert of_one_colour > 1.5 * share_by_chance(np.array(list(colours.values())))
    assert all(kinds[one] != kinds[other] for one, other in pairs)
