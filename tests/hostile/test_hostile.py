"""What becomes of hostile pictures and rows: the table of lib/README.md, held by a unit and by a whole job."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.hostile.pictures import MAX_BYTES, deadly, pictures
from tests.hostile.rows import Row, of_picture, rows, table
from vitrine.index import schema
from vitrine.index.store import connect
from vitrine.settings import Milvus, Model, Pictures
from vitrine.vision.engine import load
from vitrine.vision.request import EngineRequest
from vitrine.vision.weights import resolve

ROOT = Path(__file__).resolve().parents[2]
FAULTY_PILLOW = ROOT / "tests" / "faulty_pillow"
LIMITS = Pictures(max_bytes=MAX_BYTES, decode_timeout_s=5)


@pytest.fixture(scope="module")
def kinds() -> list[Row]:
    return [*map(of_picture, pictures()), *rows()]


def assert_each_has_its_outcome(kinds: list[Row], run: Path) -> None:
    outcomes = pa.concat_tables([pq.read_table(path) for path in run.glob("outcomes/*.parquet")]).to_pylist()
    found = {one["row"]: one["reason"] or one["outcome"] for one in outcomes}
    assert len(found) == len(outcomes)
    told = {kind.name: found.get(number, "duplicate") for number, kind in enumerate(kinds)}
    assert told == {kind.name: kind.outcome for kind in kinds}


def test_the_readme_lists_every_kind_with_its_outcome(kinds) -> None:
    text = (ROOT / "lib" / "README.md").read_text()
    listed = text.partition("<!-- hostile -->\n")[2].partition("\n<!-- /hostile -->")[0]
    lines = [f"| {kind.name} | `{kind.outcome}` |" for kind in kinds]
    assert listed.splitlines() == ["| kind | outcome |", "| --- | --- |", *lines]
    assert len({kind.name for kind in kinds}) == len(kinds) >= 60


def test_each_kind_has_its_outcome_in_a_unit(kinds, small_run, monkeypatch, tmp_path) -> None:
    model = Model(dim=16, precision="fp32")
    request = EngineRequest(resolve(model).spec, model, LIMITS, None)
    monkeypatch.syspath_prepend(FAULTY_PILLOW)
    killing = len(list(deadly()))
    lost = tmp_path / "work/runs/lost/attempts/000000"
    lost.parent.mkdir(parents=True)
    lost.touch()
    for name, some in (("lost", kinds[:killing]), ("sound", kinds[killing:])):
        small = small_run(table(some), name, make_embedder=lambda: load(request), pictures=LIMITS)
        assert_each_has_its_outcome(some, tmp_path / "work/runs" / name)
        counts = [one.embedded + one.reused + one.rejected + one.duplicates for one in small.done]
        assert sum(counts) == sum(one.rows for one in small.done) == len(some)


def reindexed(place: Path, **more: object) -> dict[str, Any]:
    """The report of the real program on a Spark of its own, with a Pillow that has faults."""
    flags = {
        "catalog": place / "catalog.parquet",
        "milvus.uri": place / "shop.db",
        "work": place,
        "run": "hostile",
        "model.precision": "fp32",
        "pictures.max_bytes": LIMITS.max_bytes,
        "pictures.decode_timeout_s": LIMITS.decode_timeout_s,
        "max_reject_ratio": 0.9,
        "spark.master": "local[2,4]",
        **more,
    }
    done = subprocess.run(
        [sys.executable, ROOT / "jobs" / "reindex.py", *(f"--{name}={value}" for name, value in flags.items())],
        env={**os.environ, "PYTHONPATH": str(FAULTY_PILLOW)},
        capture_output=True,
        text=True,
        check=False,
        timeout=850,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads((place / "runs/hostile/report/report.json").read_text())
    return dict(report)


def served(place: Path) -> dict[str, dict[str, Any]]:
    """All rows that the alias serves, by image_id."""
    fields = [field.name for field in schema.PICTURE_FIELDS if field.name != schema.VECTOR]
    with connect(Milvus(uri=str(place / "shop.db"))) as store:
        found = list(store.scan("products", fields=fields))
    rows = {str(row[schema.IMAGE_ID]): dict(row) for row in found}
    assert len(rows) == len(found)
    return rows


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_kind_has_its_outcome_in_a_job_whose_report_can_be_shown(kinds, tmp_path) -> None:
    pq.write_table(table(kinds), tmp_path / "catalog.parquet", row_group_size=len(kinds) // 2)
    report = reindexed(tmp_path)
    assert_each_has_its_outcome(kinds, tmp_path / "runs/hostile")
    outcomes = [kind.outcome for kind in kinds]
    counts = [report[name] for name in ("rows", "embedded", "reused", "duplicates")]
    assert counts == [len(kinds), outcomes.count("embedded"), 0, outcomes.count("duplicate")]
    assert report["rejected"] == sum(report["rejected_by_reason"].values())
    found = served(tmp_path)
    assert len(found) == outcomes.count("embedded")
    for number, kind in enumerate(kinds):
        product_id = kind.values.get("product_id", f"p{number:03}")
        if kind.served:
            row = found[f"{product_id}/0"]
            assert {name: row[name] for name in kind.served} == kind.served
    page = (tmp_path / "runs/hostile/report/report.html").read_text()
    assert "<script>alert" not in page
