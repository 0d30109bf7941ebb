import os
import pickle
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrine.catalog import Plan, plan, read, read_plan, read_unit, write_plan
from vitrine.errors import BadInput
from vitrine.settings import Settings

Row = tuple[str, int, int]
ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)


def write(path: Path, rows: list[Row], *, row_group_rows: int = 1000) -> None:
    images = [f"{path.name} {number}".encode() for number in range(len(rows))]
    listed = [(*row, image) for row, image in zip(rows, images, strict=True)]
    columns = zip(*listed, strict=True) if rows else [[]] * 4
    kinds = {"product_id": pa.string(), "position": pa.int64(), "version": pa.int64(), "image": pa.binary()}
    arrays = [pa.array(values, kind) for values, kind in zip(columns, kinds.values(), strict=True)]
    pq.write_table(pa.table(arrays, list(kinds)), path, row_group_size=row_group_rows)


def planned(*catalog: Path, slots: int = 1, version_of: str = "product", deleted: dict[str, int] | None = None) -> Plan:
    chosen = {"catalog": [str(place) for place in catalog], "columns": {"version_of": version_of}}
    return plan(Settings.model_validate(chosen), slots=slots, deleted=deleted)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(ROWS, ROWS, st.integers(1, 9))
def test_every_row_is_read_once_and_one_row_of_each_place_counts(
    tmp_path_factory: pytest.TempPathFactory, first: list[Row], second: list[Row], row_group_rows: int
) -> None:
    folder = tmp_path_factory.mktemp("catalog")
    for name, rows in (("0.parquet", first), ("1.parquet", second)):
        write(folder / name, rows, row_group_rows=row_group_rows)
    found = planned(folder)
    pictures = [picture for unit in found.units for picture in read(unit, found.columns)]

    written = [("0", number, row) for number, row in enumerate(first)]
    written += [("1", number, row) for number, row in enumerate(second)]
    newest = {row[0]: max(other[2] for other in first + second if other[0] == row[0]) for row in first + second}
    live = {row[:2]: (name, number) for name, number, row in written if row[2] == newest[row[0]]}
    read_from = [(Path(picture.file).stem, picture.row) for picture in pictures]
    assert sorted(read_from) == [(name, number) for name, number, _ in written]
    assert live == {
        (picture.product.product_id, picture.position): place
        for picture, place in zip(pictures, read_from, strict=True)
        if not picture.duplicate
    }
    assert found.catalog_rows == len(pictures)


def test_known_deletes_are_told_to_the_plan(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", [("a", 0, 1), ("b", 0, 1)])
    (unit,) = planned(tmp_path, deleted={"b": 1, "a": 0, "unknown": 9}).units
    assert unit.marks().tolist() == [False, True]


def break_pictures(path: Path) -> None:
    """Overwrite the bytes of all pictures, and nothing else."""
    column = pq.ParquetFile(path).metadata.row_group(0).column(3)
    with path.open("r+b") as file:
        file.seek(column.dictionary_page_offset or column.data_page_offset)
        file.write(b"\xff" * column.total_compressed_size)


def test_pictures_are_not_read_for_planning(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", [("a", 0, 0), ("b", 0, 0)])
    break_pictures(tmp_path / "0.parquet")
    found = planned(tmp_path)
    assert found.catalog_rows == 2
    with pytest.raises(BadInput, match=r"0\.parquet"):
        list(read(found.units[0], found.columns))


def test_pictures_of_a_wholly_superseded_unit_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", [("a", 0, 0), ("b", 1, 0)])
    write(tmp_path / "1.parquet", [("a", 0, 1), ("b", 1, 1)])
    break_pictures(tmp_path / "0.parquet")
    found = planned(tmp_path)
    pictures = [picture for unit in found.units for picture in read(unit, found.columns)]
    assert sorted((Path(picture.file).stem, picture.duplicate) for picture in pictures) == [
        ("0", True),
        ("0", True),
        ("1", False),
        ("1", False),
    ]


def test_planning_is_repeatable(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", [("a", 0, 0), ("b", 0, 0)])
    assert planned(tmp_path) == planned(tmp_path)


@pytest.mark.parametrize("change", ["a new file", "a touched file", "other columns"])
def test_a_changed_catalogue_has_another_fingerprint(tmp_path: Path, change: str) -> None:
    path = tmp_path / "0.parquet"
    write(path, [("a", 0, 0)])
    before = planned(tmp_path).fingerprint
    if change == "a new file":
        write(tmp_path / "1.parquet", [("a", 0, 0)])
    if change == "a touched file":
        os.utime(path, ns=(1, 1))
    version_of = "picture" if change == "other columns" else "product"
    assert planned(tmp_path, version_of=version_of).fingerprint != before


@pytest.mark.parametrize("version_of", ["product", "picture"])
def test_a_plan_comes_back_as_it_was_written(tmp_path: Path, version_of: str) -> None:
    write(tmp_path / "0.parquet", [("a", 0, 0), ("a", 1, 1), ("a", 0, 0)] * 50, row_group_rows=40)
    found = planned(tmp_path, version_of=version_of)
    place = tmp_path / "run" / "plan"
    write_plan(found, place)
    assert read_plan(place) == found
    assert os.listdir(place.parent) == ["plan"]


def test_a_unit_comes_back_without_the_others(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", [("a", 0, 0), ("a", 1, 1)] * 80, row_group_rows=4)
    found = planned(tmp_path, slots=4, version_of="picture")
    write_plan(found, tmp_path / "plan")
    assert len(found.units) > 32
    assert tuple(read_unit(tmp_path / "plan", unit.unit_id) for unit in found.units) == found.units
    for unknown in (f"{len(found.units):06d}", "009999"):
        with pytest.raises(BadInput, match=f"no unit {unknown}"):
            read_unit(tmp_path / "plan", unknown)


def test_small_files_share_a_unit(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"brand=b{number}").mkdir()
        write(tmp_path / f"brand=b{number}" / "0.parquet", [(f"p{number}", 0, number)])
    found = planned(tmp_path)
    assert 12 <= len(found.units) <= 24
    pictures = [picture for unit in found.units for picture in read(unit, found.columns)]
    products = {picture.product.product_id: picture.product for picture in pictures}
    assert {key: (product.brand, product.version) for key, product in products.items()} == {
        f"p{number}": (f"b{number}", number) for number in range(60)
    }
    assert {Path(picture.file).parent.name for picture in pictures} == {f"brand=b{number}" for number in range(60)}
    assert {picture.row for picture in pictures} == {0}


def test_a_plan_can_be_sent_to_another_process(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", [("a", 0, 0)])
    found = planned(tmp_path)
    assert pickle.loads(pickle.dumps(found)) == found


def test_what_is_no_plan_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", [("a", 0, 0)])
    with pytest.raises(BadInput, match="not a plan"):
        read_plan(tmp_path / "0.parquet")
    with pytest.raises(BadInput, match="does not exist"):
        read_plan(tmp_path / "nowhere")


def test_what_is_not_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "0.parquet").write_text("product_id,image\n")
    with pytest.raises(BadInput, match=r"0\.parquet is not a readable Parquet file"):
        planned(tmp_path)


def test_a_catalogue_without_rows_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", [])
    with pytest.raises(BadInput, match="no row"):
        planned(tmp_path)


def test_an_empty_file_among_others_does_no_harm(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", [])
    write(tmp_path / "1.parquet", [("a", 0, 0)])
    assert planned(tmp_path).catalog_rows == 1


def test_files_must_agree_on_what_is_used(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", [("a", 0, 0)])
    pq.write_table(pq.read_table(tmp_path / "0.parquet").drop_columns("version"), tmp_path / "1.parquet")
    with pytest.raises(BadInput, match=r"0\.parquet and .*1\.parquet differ in columns for version \(version, none\)"):
        planned(tmp_path)


def test_files_may_differ_in_attributes(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", [("a", 0, 0)])
    table = pq.read_table(tmp_path / "0.parquet")
    pq.write_table(table.append_column("colour", [["red"]]), tmp_path / "1.parquet")
    found = planned(tmp_path)
    attributes = [picture.product.attributes for unit in found.units for picture in read(unit, found.columns)]
    assert Counter(len(each) for each in attributes) == {0: 1, 1: 1}


def test_a_version_that_is_no_number_is_named(tmp_path: Path) -> None:
    table = pa.table({"product_id": ["a"], "image": [b"x"], "version": pa.array([2**64 - 1], pa.uint64())})
    pq.write_table(table, tmp_path / "0.parquet")
    with pytest.raises(BadInput, match=r"0\.parquet: column version"):
        planned(tmp_path)
