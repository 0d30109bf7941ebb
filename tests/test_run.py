"""The state of a run in the work directory."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrine import catalog
from vitrine.errors import BadInput, Unavailable
from vitrine.run import (
    anywhere,
    finished_units,
    manifests,
    note_finished,
    open_run,
    opened,
    outcomes,
    report_of,
    settled_plan,
)
from vitrine.settings import Milvus, Pictures, Settings

NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)
LATER = datetime(2026, 11, 21, 3, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(work=str(tmp_path), run="nightly")


def test_a_run_without_a_name_is_called_by_its_time(tmp_path) -> None:
    run = open_run(Settings(work=str(tmp_path)), "m1", now=NOW)
    assert run.name == "20261120t030000"
    assert json.loads((tmp_path / "runs/20261120t030000/run.json").read_text())["model_id"] == "m1"


def test_a_run_opened_again_goes_on_as_it_began(settings) -> None:
    begun = open_run(settings, "m1", now=NOW)
    assert open_run(settings, "m1", now=LATER) == begun
    assert begun.as_of == "2026-11-20T03:00:00+00:00"


def test_as_of_is_what_was_said_and_utc_where_no_zone_was(settings) -> None:
    said = Settings.model_validate({**settings.model_dump(exclude_unset=True), "as_of": "2026-11-19T12:00:00"})
    assert open_run(said, "m1", now=NOW).as_of == "2026-11-19T12:00:00+00:00"


@pytest.mark.parametrize(
    ("changed", "model_id", "what"),
    [
        ({}, "m2", "model_id m1, not m2"),
        ({"milvus": Milvus(alias="shoes")}, "m1", "alias products, not shoes"),
        ({"as_of": LATER}, "m1", "as_of_us 17"),
        ({"pictures": Pictures(max_bytes=5)}, "m1", "pictures {"),
    ],
)
def test_a_run_is_not_continued_as_another_one(settings, changed, model_id, what) -> None:
    open_run(settings, "m1", now=NOW)
    with pytest.raises(BadInput, match="give the same settings again or another --run") as raised:
        open_run(settings.model_copy(update=changed), model_id, now=LATER)
    assert f"run nightly was begun with {what}" in str(raised.value)


@pytest.mark.parametrize("state", ["", "[]", '{"name": "nightly", "invented": 1}'])
def test_a_state_of_another_version_is_refused(settings, tmp_path, state) -> None:
    open_run(settings, "m1", now=NOW)
    (tmp_path / "runs/nightly/run.json").write_text(state)
    with pytest.raises(BadInput, match=r"runs/nightly/run\.json is not of this version: give another --run"):
        open_run(settings, "m1", now=NOW)


def test_a_run_is_found_from_any_working_directory(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = open_run(Settings(work="here", run="a"), "m1", now=NOW)
    assert (run.uri, run.log) == (str(tmp_path / "here/runs/a"), tmp_path / "here/runs/a/spark.log")
    assert anywhere("s3://shop/work") == "s3://shop/work"


def plan_of(tmp_path: Path, *ids: str, slots: int = 1) -> catalog.Plan:
    path = tmp_path / "catalog.parquet"
    pq.write_table(pa.table({"product_id": ids, "image": [b"x"] * len(ids)}), path, row_group_size=64)
    return catalog.plan(Settings(catalog=[str(path)]), slots=slots)


def test_a_run_keeps_the_plan_that_it_began_with(settings, tmp_path) -> None:
    run = open_run(settings, "m1", now=NOW)
    first = settled_plan(run, plan_of(tmp_path, "a", "b"))
    path = Path(first.units[0].pieces[0].file)
    elsewhere = catalog.plan(Settings(catalog=[str(path)]), slots=1, deleted={"a": 0})
    assert elsewhere != first
    assert settled_plan(run, elsewhere) == first


def test_a_changed_catalogue_is_refused_under_the_same_name(settings, tmp_path) -> None:
    run = open_run(settings, "m1", now=NOW)
    settled_plan(run, plan_of(tmp_path, "a", "b"))
    with pytest.raises(BadInput, match="the catalogue or its columns changed since run nightly began: give another"):
        settled_plan(run, plan_of(tmp_path, "a", "b", "c"))


def test_finished_units_are_those_with_a_manifest(small_run, drawn_pictures) -> None:
    columns = {"product_id": [str(number) for number in range(4)], "image": drawn_pictures[:4]}
    small = small_run(columns, rows_per_group=2)
    assert finished_units(small.run) == {unit.unit_id for unit in small.plan.units} == {"000000", "000001"}
    assert [one.unit_id for one in manifests(small.run)] == ["000000", "000001"]
    small.run.place.write("units/.aside-1-000002.json", b"half")
    assert len(finished_units(small.run)) == 2


def test_outcomes_come_unit_by_unit_with_the_columns_asked_for(small_run, drawn_pictures) -> None:
    columns = {"product_id": ["a", "b", "c"], "image": drawn_pictures[:3]}
    small = small_run(columns, rows_per_group=1)
    tables = list(outcomes(small.run, small.done, ["image_id"]))
    assert sorted(table.to_pydict()["image_id"][0] for table in tables) == ["a/0", "b/0", "c/0"]
    assert {tuple(table.column_names) for table in tables} == {("image_id",)}


def test_a_run_is_finished_when_its_report_is_noted(settings) -> None:
    run = open_run(settings, "m1", now=NOW)
    assert report_of(run) is None
    note_finished(run, {"rows": 3, "previous": None})
    assert report_of(open_run(settings, "m1", now=LATER)) == {"rows": 3, "previous": None}


def test_finished_rows_stand_where_the_database_imports_them_from(tmp_path) -> None:
    settings = Settings(work=str(tmp_path / "work"), run="a", milvus={"import_uri": "s3://bulk/vitrine/"})
    run = open_run(settings, "m1", now=NOW)
    assert run.rows_file("rows/x.parquet") == "s3://bulk/vitrine/products__a/rows/x.parquet"
    assert run.file("plan.parquet") == str(tmp_path / "work/runs/a/plan.parquet")
    with pytest.raises(BadInput, match="begun with import_uri s3://bulk/vitrine/products__a, not : give the same"):
        open_run(settings.model_copy(update={"milvus": Milvus()}), "m1", now=LATER)


def test_a_manifest_that_a_power_cut_left_empty_is_named_with_the_cure(tmp_path) -> None:
    run = open_run(Settings(work=str(tmp_path), run="a"), "m1", now=NOW)
    run.place.write("units/00001.json", b"")
    with pytest.raises(BadInput, match=r"units/00001\.json is damaged: remove it, and the same --run does that unit"):
        manifests(run)


def test_one_run_and_one_alias_are_worked_on_by_one_process_at_a_time(tmp_path) -> None:
    def given(name: str, alias: str = "products") -> Settings:
        return Settings(work=str(tmp_path), run=name, milvus={"alias": alias})

    with opened(given("a"), "m1", now=NOW) as (run, confirm):
        confirm()
        assert run == open_run(given("a"), "m1", now=LATER)
        with pytest.raises(Unavailable, match="run a is being worked on by"), opened(given("a", "b"), "m1", now=NOW):
            pytest.fail("opened twice")
        with (
            pytest.raises(Unavailable, match="alias products is being worked on by"),
            opened(given("b"), "m1", now=NOW),
        ):
            pytest.fail("opened twice")
        with opened(given("c", "others"), "m1", now=NOW):
            pass
    with opened(given("a"), "m1", now=LATER) as (again, _):
        assert again == run
