"""Tastes: the decayed mean of the vectors of what users viewed or bought."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vitrine import taste
from vitrine.errors import BadInput
from vitrine.index import collections, schema
from vitrine.index.collections import Facts
from vitrine.index.rows import row
from vitrine.product import Product, split_image_id
from vitrine.storage import directory
from vitrine.taste import Tasted, write_tastes
from vitrine.testing import MemoryStore

NOW = datetime(2026, 11, 20, tzinfo=UTC)
EAST, NORTH = (np.array(vector, np.float32) for vector in ([1, 0], [0, 1]))
VECTORS = {"bag": EAST, "hat": NORTH, "cap": np.array([0.6, 0.8], np.float32)}
EVENTS = pa.schema(
    [
        ("user_id", pa.string()),
        ("product_id", pa.string()),
        ("weight", pa.float64()),
        ("event_ts", pa.timestamp("us", tz="UTC")),
    ]
)


def known(product_ids):
    return {one: VECTORS[one] for one in product_ids if one in VECTORS}


@pytest.fixture
def tastes(tmp_path):
    """`tastes([(user, product, weight, age in days), ...], ...)`: a file for each list; the rows and the counts."""

    def write(*files, vectors_of=known, **options):
        names = []
        for number, events in enumerate(files):
            rows = [
                {"user_id": user, "product_id": product, "weight": float(weight), "event_ts": NOW - timedelta(days=age)}
                for user, product, weight, age in events
            ]
            names.append(str(tmp_path / f"events-{number}.parquet"))
            pq.write_table(pa.Table.from_pylist(rows, schema=EVENTS), names[-1])
        place = directory(str(tmp_path / "taste"))
        counts = write_tastes(names, place, vectors_of, model_id="m1", now=NOW, half_life_days=30, **options)
        return pq.read_table(place.path(taste.FILE)).to_pylist(), counts

    return write


def test_a_taste_by_hand(tastes):
    rows, counts = tastes([("u", "bag", 3, 30), ("u", "hat", 2, 0)])

    assert rows == [
        {
            "user_hash": "u",
            "interest": 0,
            "vector": pytest.approx([0.6, 0.8], abs=1e-6),  # 3 / 2 east and 2 north
            "weight": 3.5,
            "model_id": "m1",
        }
    ]
    assert counts == Tasted(users=1, without=0)


def test_an_event_of_the_future_counts_as_one_of_now(tastes):
    assert tastes([("u", "bag", 1, -300), ("u", "hat", 1, 0)])[0][0]["weight"] == 2


def test_products_without_a_vector_have_no_say_and_users_of_only_those_have_no_taste(tastes):
    rows, counts = tastes([("u", "bag", 1, 0), ("u", "gone", 9, 0), ("v", "gone", 1, 0)])

    assert [(row["user_hash"], row["vector"], row["weight"]) for row in rows] == [("u", [1.0, 0.0], 1.0)]
    assert counts == Tasted(users=1, without=1)


def test_opposite_looks_make_no_taste(tastes):
    rows, counts = tastes([("u", "bag", 1, 0), ("u", "hat", 1, 0)], vectors_of=lambda _: {"bag": EAST, "hat": -EAST})

    assert (rows, counts) == ([], Tasted(users=0, without=1))


def test_events_without_a_user_are_nobodys(tastes):
    assert tastes([("u", "bag", 1, 0), (None, "hat", 5, 0)])[0][0]["vector"] == [1.0, 0.0]


def test_only_wanted_users_have_a_taste(tastes):
    rows, counts = tastes([("u", "bag", 1, 0), ("v", "hat", 1, 0)], users={"v"})

    assert ([row["user_hash"] for row in rows], counts) == (["v"], Tasted(users=1, without=0))


def test_no_events_make_no_tastes(tastes):
    assert tastes([]) == ([], Tasted(0, 0))


def test_a_file_that_is_not_sorted_is_named(tastes):
    with pytest.raises(BadInput, match=r"events-0\.parquet is not sorted by user_id"):
        tastes([("v", "bag", 1, 0), ("u", "bag", 1, 0)])


EVENT = st.tuples(
    st.sampled_from("uvw"), st.sampled_from(["bag", "hat", "cap", "gone"]), st.integers(1, 9), st.floats(-5, 400)
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EVENT, max_size=20), st.randoms(use_true_random=False), st.integers(0, 20))
def test_tastes_are_those_of_a_plain_sum_whatever_the_order_and_files_of_events(tastes, events, random, cut):
    rows, _ = tastes(sorted(events, key=lambda event: event[0]))
    shuffled = random.sample(events, len(events))
    parts = [sorted(part, key=lambda event: event[0]) for part in (shuffled[:cut], shuffled[cut:])]

    assert tastes(*parts)[0] == rows
    for user in "uvw":
        said = [(w * 2 ** -(max(age, 0) / 30), VECTORS[p]) for u, p, w, age in events if u == user and p in VECTORS]
        found = [row for row in rows if row["user_hash"] == user]
        assert len(found) == bool(said)
        if said:
            total = sum(weight * vector.astype(float) for weight, vector in said)
            assert found[0]["weight"] == pytest.approx(sum(weight for weight, _ in said), rel=1e-6)
            assert found[0]["vector"] == pytest.approx(list(total / np.linalg.norm(total)), abs=1e-5)


def test_no_order_of_many_events_changes_a_bit(tastes):
    events = [("u", "bag", 0.1 * (i % 7 + 1), i / 3) for i in range(500)] + [("u", "hat", 1, 1)]

    assert tastes(events) == tastes(events[::-1])


def test_no_more_vectors_are_kept_than_allowed(tastes, monkeypatch):
    monkeypatch.setattr(taste, "PRODUCTS_PER_BATCH", 2)
    monkeypatch.setattr(taste, "CACHED_VECTORS", 3)
    events = [(f"u{i}", product, 1, 0) for i in range(6) for product in (["bag", "hat"], ["cap", "gone"])[i % 2]]
    asked = []

    tastes(events, vectors_of=lambda product_ids: asked.append(len(product_ids)) or known(product_ids))

    assert asked == [2] * 6


def test_batches_of_users_and_a_full_cache_change_nothing(tastes, monkeypatch):
    events = [(f"u{i:03}", product, i % 7 + 1, i % 50) for i in range(60) for product in VECTORS]
    expected = tastes(events)
    asked = []

    def counted(product_ids):
        asked.append(len(product_ids))
        return known(product_ids)

    for cached, times in ((2, 30), (3, 1)):
        monkeypatch.setattr(taste, "PRODUCTS_PER_BATCH", 6)
        monkeypatch.setattr(taste, "CACHED_VECTORS", cached)
        asked.clear()
        assert tastes(events, vectors_of=counted) == expected
        assert asked == [3] * times


def test_a_product_looks_like_the_mean_of_its_pictures():
    store = MemoryStore()
    made = collections.create(store, Facts("shop", "r1", "m1", 2, "2026-11-20T00:00:00+00:00"))
    for image_id, vector in {"bag/0": EAST, "bag/1": NORTH, 'h"at/3': NORTH}.items():
        product_id, position = split_image_id(image_id)
        built, _ = row(Product(product_id), position, sha256="0" * 64, uri="", event_us=0, indexed_us=0)
        store.insert(made.name, [{**built, schema.VECTOR: vector}])

    found = taste.served_vectors(store, made.name)({"bag", 'h"at', "gone"})

    assert sorted(found) == ["bag", 'h"at']
    assert found["bag"] == pytest.approx(np.sqrt([0.5, 0.5]), abs=1e-6)


def test_events_are_read_as_spark_writes_and_sorts_them(spark, tmp_path):
    users = ["z", "é", "\uffff", "\U0001f600", "a"]
    rows = [(user, "bag", 1.0, NOW - timedelta(days=30 * age)) for age, user in enumerate(users)] * 3
    events = spark.createDataFrame(rows, "user_id string, product_id string, weight double, event_ts timestamp")
    events.repartition(2).sortWithinPartitions("user_id").write.parquet(str(tmp_path / "events"))
    files = sorted(str(path) for path in (tmp_path / "events").glob("*.parquet"))
    place = directory(str(tmp_path / "taste"))

    write_tastes(files, place, known, model_id="m1", now=NOW, half_life_days=30)

    found = pq.read_table(place.path(taste.FILE)).to_pylist()
    assert [row["user_hash"] for row in found] == sorted(users)
    assert {row["user_hash"]: row["weight"] for row in found} == {user: 3 / 2**age for age, user in enumerate(users)}
