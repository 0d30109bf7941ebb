"""Pictures of a run, drawn at random and read again."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrine import samples
from vitrine.settings import Pictures


@pytest.fixture
def mixed(small_run, drawn_pictures):
    """Twelve rows in three units: every fourth is broken."""
    images = [b"GIF89a" if number % 4 == 3 else drawn_pictures[number] for number in range(12)]
    return small_run({"product_id": [str(number) for number in range(12)], "image": images}, rows_per_group=4)


def test_all_are_drawn_where_there_are_not_more(mixed) -> None:
    drawn = samples.draw(mixed.run, mixed.done, "rejected", 99)
    assert sorted(one.image_id for one in drawn) == ["11/0", "3/0", "7/0"]
    assert {(one.outcome, one.reason) for one in drawn} == {("rejected", "truncated")}


def test_the_same_ones_are_drawn_again(mixed) -> None:
    first = samples.draw(mixed.run, mixed.done, "embedded", 4)
    assert len({one.image_id for one in first}) == 4
    assert samples.draw(mixed.run, mixed.done, "embedded", 4) == first


def test_nothing_is_drawn_of_what_did_not_happen(mixed) -> None:
    assert samples.draw(mixed.run, mixed.done, "reused", 5) == []


def test_a_drawn_picture_is_read_from_where_it_is(mixed, drawn_pictures) -> None:
    drawn = samples.draw(mixed.run, mixed.done, "embedded", 9)
    found = samples.read_pictures(mixed.plan, drawn, Pictures())
    assert found == {f"{number}/0": drawn_pictures[number] for number in range(12) if number % 4 != 3}


def test_pictures_are_located_by_their_keys(mixed, drawn_pictures) -> None:
    found = samples.locate(mixed.run, mixed.done, ["5/0", "3/0", "unknown/0"])
    assert {one.image_id: one.row for one in found} == {"5/0": 5, "3/0": 3}
    assert samples.read_pictures(mixed.plan, found, Pictures()) == {"5/0": drawn_pictures[5], "3/0": b"GIF89a"}


def test_pictures_of_a_list_are_told_apart(small_run, drawn_pictures) -> None:
    images = [drawn_pictures[0:2], drawn_pictures[2:5]]
    small = small_run({"product_id": ["a", "b"], "images": images})
    found = samples.locate(small.run, small.done, ["a/1", "b/0", "b/2"])
    expected = {"a/1": drawn_pictures[1], "b/0": drawn_pictures[2], "b/2": drawn_pictures[4]}
    assert samples.read_pictures(small.plan, found, Pictures()) == expected


def test_of_rows_for_one_place_the_one_that_counts_is_read(small_run, drawn_pictures) -> None:
    columns = {"product_id": ["a", "b", "a"], "image": drawn_pictures[:3], "version": [3, 1, 2]}
    small = small_run(columns)
    drawn = samples.draw(small.run, small.done, "embedded", 9)
    assert Counter(one.image_id for one in drawn) == {"a/0": 1, "b/0": 1}
    assert samples.read_pictures(small.plan, drawn, Pictures())["a/0"] == drawn_pictures[0]


def test_a_row_group_cut_into_units_is_read_at_the_right_rows(small_run, drawn_pictures) -> None:
    images = [drawn_pictures[number % 60] for number in range(200)]
    columns = {"product_id": [str(n) for n in range(200)], "image": images, "version": list(range(200))}
    small = small_run(columns, columns={"version_of": "picture"})
    assert len(small.plan.units) > 1
    drawn = samples.draw(small.run, small.done, "embedded", 40)
    for image_id, data in samples.read_pictures(small.plan, drawn, Pictures()).items():
        assert data == images[int(image_id.removesuffix("/0"))]


def test_addresses_are_fetched_and_what_is_gone_is_left_out(small_run, drawn_pictures, tmp_path) -> None:
    places = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for place, picture in zip(places, drawn_pictures, strict=False):
        place.write_bytes(picture)
    limits = Pictures(prefixes=[str(tmp_path)])
    columns = {"product_id": ["a", "b"], "image_uri": [str(place) for place in places]}
    small = small_run(columns, pictures=limits)
    drawn = samples.draw(small.run, small.done, "embedded", 2)
    places[1].unlink()
    assert samples.read_pictures(small.plan, drawn, limits) == {"a/0": drawn_pictures[0]}


def test_a_catalogue_that_was_written_anew_has_no_pictures(mixed) -> None:
    drawn = samples.draw(mixed.run, mixed.done, "embedded", 3)
    pq.write_table(pa.table({"other": [1]}), Path(mixed.plan.units[0].pieces[0].file))
    assert samples.read_pictures(mixed.plan, drawn, Pictures()) == {}
