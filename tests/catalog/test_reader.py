import datetime
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrine.catalog import Picture, plan, read
from vitrine.errors import BadInput
from vitrine.product import Product, Reason
from vitrine.settings import Settings

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
BYTES = [pa.binary(), pa.large_binary(), pa.binary_view()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.parquet"


def pictures(path: Path, columns: dict[str, Any], **names: str) -> list[Picture]:
    """Write a catalogue and read it back in catalogue order."""
    pq.write_table(pa.table(columns), path)
    return read_all(path, **names)


def read_all(path: Path, **names: str) -> list[Picture]:
    planned = plan(Settings.model_validate({"catalog": [str(path)], "columns": names}), slots=1)
    units = sorted(planned.units, key=lambda unit: unit.pieces[0].first_row)
    return [picture for unit in units for picture in read(unit, planned.columns)]


def product(path: Path, columns: dict[str, Any], **names: str) -> Product:
    (picture,) = pictures(path, {"product_id": ["a"], "image": [b"x"], **columns}, **names)
    return picture.product


def reasons(found: Sequence[Picture]) -> list[str | None]:
    return [picture.reject.reason.value if picture.reject else None for picture in found]


def not_utf8(*values: bytes) -> pa.Array:
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


def test_a_row_says_what_a_product_is(path: Path) -> None:
    row = {"title": "Shirt", "brand": "Blau", "price": 9.5, "in_stock": False, "version": 3, "colour": "blue"}
    assert product(path, {name: [value] for name, value in row.items()}) == Product(
        "a", 3, "Shirt", "", "Blau", 9.5, False, {"colour": "blue"}
    )


def test_nulls_and_absent_columns_leave_the_defaults(path: Path) -> None:
    nulls = {"title": pa.string(), "price": pa.float64(), "in_stock": pa.bool_(), "version": pa.int64()}
    assert product(path, {}) == Product("a")
    assert product(path, {name: pa.nulls(1, kind) for name, kind in nulls.items()}) == Product("a")


def test_category_levels_are_joined_without_the_empty_ones(path: Path) -> None:
    levels = {"a": ["Apparel"], "b": pa.nulls(1, pa.string()), "c": [""], "d": ["Shirts"]}
    assert product(path, levels, category="a/b/c/d").category == "Apparel/Shirts"


@pytest.mark.parametrize("price", [float("nan"), float("inf"), -3.0])
def test_a_price_that_is_none_is_unknown(path: Path, price: float) -> None:
    assert product(path, {"price": [price]}).price == -1.0


@pytest.mark.parametrize(
    "moment",
    [
        pa.array([NOON], pa.timestamp("ns", "Asia/Tokyo")),
        pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ms")),
        pa.array([int(NOON.timestamp() * 1_000_000)], pa.int64()),
    ],
    ids=["zoned", "naive is UTC", "microseconds"],
)
def test_a_time_is_a_version_in_microseconds(path: Path, moment: pa.Array) -> None:
    assert product(path, {"updated_at": moment}).version == NOON.timestamp() * 1_000_000


def test_a_date_is_a_version_in_microseconds(path: Path) -> None:
    assert product(path, {"updated_at": [datetime.date(1970, 1, 2)]}).version == 86_400_000_000


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (2**64 - 1, pa.uint64(), "18446744073709551615"),
        (0.1, pa.float64(), "0.1"),
        (1.5, pa.float16(), "1.5"),
        (Decimal("1.20"), pa.decimal128(9, 2), "1.20"),
        (True, pa.bool_(), "true"),
        (datetime.date(2026, 11, 20), pa.date32(), "2026-11-20"),
        (NOON, pa.timestamp("ms", "Asia/Tokyo"), "2026-11-20 12:00:00.000"),
        ("v", pa.string_view(), "v"),
        ("v", pa.dictionary(pa.int8(), pa.string()), "v"),
    ],
    ids=str,
)
def test_other_columns_become_attributes(path: Path, value: object, kind: pa.DataType, text: str) -> None:
    assert product(path, {"other": pa.array([value], kind)}).attributes == {"other": text}
    assert product(path, {"other": pa.nulls(1, kind)}).attributes == {}


@pytest.mark.parametrize("value", [b"x", [1], {"a": 1}, datetime.time(1), None, float("nan")], ids=str)
def test_what_has_no_plain_text_is_no_attribute(path: Path, value: object) -> None:
    assert product(path, {"other": [value]}).attributes == {}


def test_the_map_of_attributes_stands_above_other_columns(path: Path) -> None:
    stated = pa.array([[("colour", "navy"), ("size", None), ("fit", "slim")]], pa.map_(pa.string(), pa.string()))
    found = product(path, {"colour": ["blue"], "year": [2026], "attributes": stated})
    assert found.attributes == {"colour": "navy", "fit": "slim", "year": "2026"}


def test_maps_stay_with_their_rows(path: Path) -> None:
    maps = pa.array([None, [("n", 1)], [], [("n", 3), ("m", 4)]], pa.map_(pa.string(), pa.int64()))
    found = pictures(path, {"product_id": [0, 1, 2, 3], "image": [b"x"] * 4, "attributes": maps})
    assert [picture.product.attributes for picture in found] == [{}, {"n": "1"}, {}, {"n": "3", "m": "4"}]


@pytest.mark.parametrize("kind", BYTES, ids=str)
def test_bytes_come_as_they_were_written(path: Path, kind: pa.DataType) -> None:
    found = pictures(path, {"product_id": ["a", "b", "c"], "image": pa.array([b"x\0y", None, b""], kind)})
    assert [picture.data for picture in found] == [b"x\0y", None, None]
    assert reasons(found) == [None, "missing", "missing"]


def test_addresses_come_as_they_were_written(path: Path) -> None:
    found = pictures(path, {"product_id": ["a", "b", "c"], "image_uri": ["s3://shop/a.jpg", None, ""]})
    assert [(picture.uri, picture.data) for picture in found] == [("s3://shop/a.jpg", None), ("", None), ("", None)]
    assert reasons(found) == [None, "missing", "missing"]


@pytest.mark.parametrize("kind", [*map(pa.list_, BYTES), pa.large_list(pa.binary()), pa.list_(pa.binary(), 2)], ids=str)
def test_lists_number_their_entries_from_zero(path: Path, kind: pa.DataType) -> None:
    found = pictures(
        path, {"product_id": ["a", "b", "c"], "images": pa.array([[b"1", None], None, [b"2", b"3"]], kind)}
    )
    assert [(picture.product.product_id, picture.position, picture.data) for picture in found] == [
        ("a", 0, b"1"),
        ("a", 1, None),
        ("b", 0, None),
        ("c", 0, b"2"),
        ("c", 1, b"3"),
    ]
    assert reasons(found) == [None, "missing", "missing", None, None]


def test_a_product_with_an_empty_list_counts_once(path: Path) -> None:
    lists = pa.array([[], ["x", "y"]], pa.list_(pa.string()))
    found = pictures(path, {"product_id": ["a", "b"], "image_uris": lists})
    assert [(picture.row, picture.position, picture.uri) for picture in found] == [(0, 0, ""), (1, 0, "x"), (1, 1, "y")]
    assert reasons(found) == ["missing", None, None]


def test_pictures_wrapped_as_hugging_face_does_are_unwrapped(path: Path) -> None:
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    entries = [{"bytes": b"1", "path": "1.jpg"}, None, {"bytes": None, "path": "3.jpg"}]
    found = pictures(path, {"product_id": [0, 1, 2], "image": pa.array(entries, kind)})
    assert [picture.data for picture in found] == [b"1", None, None]
    found = pictures(path, {"product_id": [0], "images": pa.array([entries], pa.list_(kind))})
    assert [(picture.position, picture.data) for picture in found] == [(0, b"1"), (1, None), (2, None)]


def test_pictures_beyond_the_limit_are_rejects_each(path: Path) -> None:
    found = pictures(path, {"product_id": ["a"], "images": [[b"x"] * 34]})
    assert reasons(found) == [None] * 32 + ["too_many_images"] * 2
    assert [picture.position for picture in found] == list(range(34))


def test_positions_outside_the_limits_are_rejects(path: Path) -> None:
    columns = {"product_id": list("abcde"), "image": [b"x"] * 5, "position": [None, -1, 31, 32, 2**40]}
    found = pictures(path, columns)
    assert reasons(found) == ["bad_position", "bad_position", None, "too_many_images", "too_many_images"]
    assert all(-1 <= picture.position < 2**31 for picture in found)


@pytest.mark.parametrize("product_id", ["a/b//c/", "../..", "\x00\n", "é" * 128, " "])
def test_an_id_may_hold_anything(path: Path, product_id: str) -> None:
    (found,) = pictures(path, {"product_id": [product_id], "image": [b"x"]})
    assert (found.product.product_id, found.reject) == (product_id, None)


@pytest.mark.parametrize(
    ("product_id", "reason"), [("", Reason.NO_ID), ("x" * 257, Reason.ID_TOO_LONG), ("é" * 129, Reason.ID_TOO_LONG)]
)
def test_an_unusable_id_is_a_reject_each_time(path: Path, product_id: str, reason: Reason) -> None:
    found = pictures(path, {"product_id": [product_id, product_id, None, "a"], "image": [b"x"] * 4})
    assert reasons(found) == [reason, reason, "no_id", None]
    assert not any(picture.duplicate for picture in found)


def test_integer_ids_become_strings(path: Path) -> None:
    found = pictures(path, {"product_id": pa.array([7, None], pa.int16()), "image": [b"x", b"y"]})
    assert [picture.product.product_id for picture in found] == ["7", ""]


def test_text_that_is_not_utf8_stops_nothing(path: Path) -> None:
    found = pictures(
        path,
        {
            "product_id": not_utf8(b"\xff", b"a"),
            "image": [b"x", b"y"],
            "title": not_utf8(b"ok", b"br\xc3"),
            "colour": not_utf8(b"\xed\xa0\x80", b"red"),
        },
    )
    assert reasons(found) == ["no_id", None]
    assert found[1].product.title == "br\ufffd"
    assert found[1].product.attributes == {"colour": "red"}


def test_the_data_of_a_duplicate_is_not_read(path: Path) -> None:
    found = pictures(path, {"product_id": ["a", "b", "a"], "image": [b"1", b"2", b"3"]})
    assert [(picture.duplicate, picture.data) for picture in found] == [(True, None), (False, b"2"), (False, b"3")]


def test_each_picture_of_a_superseded_list_is_a_duplicate(path: Path) -> None:
    found = pictures(path, {"product_id": ["a", "a"], "images": [[b"1", b"2"], [b"3"]]})
    assert [picture.duplicate for picture in found] == [True, True, False]


def test_versions_of_pictures_give_each_row_the_products_highest(path: Path) -> None:
    columns = {"product_id": ["a", "a"], "image": [b"1", b"2"], "position": [0, 1], "version": [5, 9]}
    found = pictures(path, columns, version_of="picture")
    assert [(picture.duplicate, picture.product.version) for picture in found] == [(False, 9), (False, 9)]


def test_a_row_group_is_read_in_small_batches_and_complete(path: Path) -> None:
    ids = [f"p{number:04}" for number in range(1000)]
    pq.write_table(pa.table({"product_id": ids, "image": [name.encode() for name in ids]}), path, row_group_size=300)
    found = read_all(path)
    assert [picture.data for picture in found] == [name.encode() for name in ids]
    assert [picture.row for picture in found] == list(range(1000))


def test_partition_columns_are_used_like_columns(tmp_path: Path) -> None:
    for day, shop in (("2026-11-19", "fr"), ("2026-11-20", "__HIVE_DEFAULT_PARTITION__")):
        place = tmp_path / f"day={day}" / f"shop={shop}"
        place.mkdir(parents=True)
        pq.write_table(pa.table({"product_id": ["a"], "image": [day.encode()]}), place / "0.parquet")
    old, new = read_all(tmp_path, updated_at="day")
    assert (old.duplicate, new.duplicate, new.data) == (True, False, b"2026-11-20")
    assert old.product.attributes == {"shop": "fr"}
    assert new.product.attributes == {}


def test_a_file_that_changed_after_planning_is_refused(path: Path) -> None:
    pq.write_table(pa.table({"product_id": ["a", "b"], "image": [b"1", b"2"]}), path)
    planned = plan(Settings(catalog=[str(path)]), slots=1)
    pq.write_table(pa.table({"product_id": ["a"], "image": [b"1"]}), path)
    with pytest.raises(BadInput, match=r"catalog\.parquet has changed since it was planned"):
        list(read(planned.units[0], planned.columns))
