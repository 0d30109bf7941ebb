"""Pictures that cannot be reached just now."""

import pyarrow.parquet as pq
import pytest

from vitrine import account, samples, staging
from vitrine.index import load, schema
from vitrine.run import outcomes
from vitrine.settings import Pictures
from vitrine.testing import FakeEmbedder, MemoryStore
from vitrine.unreachable import keep_served

SERVED = "products__old"


@pytest.fixture
def shop(tmp_path, drawn_pictures):
    """Two products with two pictures each at addresses, and the limits that allow them."""
    places = [tmp_path / f"{number}.jpg" for number in range(4)]
    for place, picture in zip(places, drawn_pictures, strict=False):
        place.write_bytes(picture)
    return places, Pictures(prefixes=[str(tmp_path), "/proc"])


@pytest.fixture
def served(small_run, shop) -> MemoryStore:
    """What a first run of the shop made."""
    places, limits = shop
    small = small_run(listed(places), "old", pictures=limits)
    store = MemoryStore()
    store.create(SERVED, schema.pictures(16), description="")
    load.load_rows(store, SERVED, [small.run.file(one.rows_file) for one in small.done], insert_bytes=10**6)
    return store


def listed(places) -> dict[str, object]:
    uris = [str(place) for place in places]
    return {"product_id": ["a", "b"], "image_uris": [uris[:2], uris[2:]]}


def kept_rows(files) -> dict[str, list[float]]:
    return {row[schema.IMAGE_ID]: row[schema.VECTOR] for file in files for row in pq.read_table(file).to_pylist()}


def vector(data: bytes) -> list[float]:
    (alone,) = FakeEmbedder(dim=16).embed([(0, data)])
    return alone.vectors[0].tolist()


def test_a_picture_keeps_the_vector_that_is_served_for_its_address(
    small_run, shop, served, put_out_of_reach, drawn_pictures
) -> None:
    places, limits = shop
    put_out_of_reach(places[1])
    small = small_run(listed(places), "new", pictures=limits)
    done, files = keep_served(small.run, small.done, served, SERVED)
    assert kept_rows(files) == {"a/1": vector(drawn_pictures[1])}
    assert [(one.reused, one.rejected) for one in (*small.done, *done)] == [(3, 1), (4, 0)]


def test_the_account_the_samples_and_the_ledger_see_it_as_reused(small_run, shop, served, put_out_of_reach) -> None:
    places, limits = shop
    put_out_of_reach(places[1])
    small = small_run(listed(places), "new", pictures=limits)
    done, files = keep_served(small.run, small.done, served, SERVED)
    counts = account.settle(small.run, done, 2, max_reject_ratio=0)
    assert (counts.rows, counts.reused, counts.rejected, counts.rejected_by_reason) == (4, 4, 0, {})
    assert staging.ledger_rows(small.run, done, ()) == []
    assert {one.image_id for one in samples.draw(small.run, done, "reused", 9)} == {"a/0", "a/1", "b/0", "b/1"}
    (noted,) = [row for table in outcomes(small.run, done) for row in table.to_pylist() if row["image_id"] == "a/1"]
    (row,) = pq.read_table(files[0]).to_pylist()
    assert noted["sha256"] == row[schema.IMAGE_SHA256] != ""


def test_a_picture_that_moved_within_its_product_keeps_its_vector(
    small_run, shop, served, put_out_of_reach, drawn_pictures
) -> None:
    places, limits = shop
    put_out_of_reach(places[1])
    moved = [places[1], places[0], *places[2:]]
    small = small_run(listed(moved), "new", pictures=limits)
    _, files = keep_served(small.run, small.done, served, SERVED)
    assert kept_rows(files) == {"a/0": vector(drawn_pictures[1])}


def test_another_address_or_product_has_nothing_to_keep(small_run, shop, served, put_out_of_reach, tmp_path) -> None:
    places, limits = shop
    elsewhere = tmp_path / "new.jpg"
    put_out_of_reach(elsewhere)
    put_out_of_reach(places[3])
    small = small_run(listed([places[3], elsewhere, *places[2:]]), "new", pictures=limits)
    done, files = keep_served(small.run, small.done, served, SERVED)
    assert set(kept_rows(files)) == {"b/1"}
    assert (done[0].reused, done[0].rejected) == (2, 2)


def test_without_unreachable_pictures_nothing_is_asked(small_run, shop) -> None:
    places, limits = shop
    small = small_run(listed(places), pictures=limits)
    assert keep_served(small.run, small.done, MemoryStore(), "none such") == (small.done, [])


def test_an_address_that_was_cut_is_not_trusted(small_run, shop, put_out_of_reach, tmp_path, drawn_pictures) -> None:
    deep = tmp_path.joinpath(*["d" * 200] * 9, "e" * 180)
    deep.mkdir(parents=True)
    limits = Pictures(prefixes=[str(tmp_path), "/proc"])
    long = [deep / ("x" * 100 + name) for name in ("1.jpg", "2.jpg")]
    assert min(len(str(place)) for place in long) > 2048
    columns = {"product_id": ["a"], "image_uri": [str(long[0])]}
    long[0].write_bytes(drawn_pictures[0])
    first = small_run(columns, "old", pictures=limits)
    store = MemoryStore()
    store.create(SERVED, schema.pictures(16), description="")
    load.load_rows(store, SERVED, [first.run.file(first.done[0].rows_file)], insert_bytes=10**6)
    put_out_of_reach(long[1])
    small = small_run({**columns, "image_uri": [str(long[1])]}, "new", pictures=limits)
    assert keep_served(small.run, small.done, store, SERVED) == (small.done, [])
