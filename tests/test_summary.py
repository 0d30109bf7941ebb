"""What a finished run tells."""

import json
from dataclasses import replace

import pytest

from vitrine import account, summary
from vitrine.gallery import Answer
from vitrine.index.collections import Collection, Facts
from vitrine.storage import directory


@pytest.fixture
def mixed(small_run, drawn_pictures):
    """Six rows in three units: three embedded, two rejected, a duplicate."""
    images = [drawn_pictures[0], b"<html>", drawn_pictures[1], b"", drawn_pictures[2], drawn_pictures[3]]
    return small_run({"product_id": list("abcdea"), "image": images}, rows_per_group=2)


def reported(small, **changes) -> summary.Report:
    facts = Facts("products", "a", "model0", 16, small.run.as_of, previous="products__old")
    made = Collection("products__a", "products_ledger__a", facts)
    counts = account.settle(small.run, small.done, 6, max_reject_ratio=1)
    found = [Answer(f"{name}/0", name, f"Apparel/{name}", ()) for name in "xy"]
    done = [replace(one, **changes) for one in small.done]
    told = {
        "seconds": {"embed": 2.0},
        "found": found,
        "recall": 0.99,
        "retired": ["products__older"],
        "load": "insert: so",
    }
    return summary.report(small.run, made, small.plan, done, counts, **told)


KEYS = {
    "calibration",
    "thumbnails",
    "run",
    "model_id",
    "rows",
    "embedded",
    "reused",
    "rejected",
    "rejected_by_reason",
    "duplicates",
    "cut_texts",
    "forward_passes",
    "engines",
    "embedded_on",
    "collection",
    "alias",
    "previous",
    "retired",
    "load",
    "recall_at_10",
    "same_category",
    "seconds",
    "images_per_second",
    "picture_bytes",
    "read_by",
    "peak_memory_bytes",
}


def test_the_keys_of_the_report_stay(mixed) -> None:
    values = reported(mixed).values()
    assert set(values) == KEYS
    assert (values["collection"], values["previous"], values["recall_at_10"]) == ("products__a", "products__old", 0.99)
    assert summary.Report(**json.loads(json.dumps(values))).values() == values


def test_engines_are_counted_by_process_where_pictures_were_embedded(mixed) -> None:
    assert reported(mixed, process="worker1").engines == 1
    assert reported(mixed, runs_on="bf16 on cpu").embedded_on == ["bf16 on cpu"]
    assert reported(mixed, forward_passes=0).engines == 0


def test_the_account_is_a_log_line(mixed) -> None:
    line = "done rows=6 embedded=3 reused=0 rejected=2 duplicates=1 collection=products__a"
    assert reported(mixed).line() == line


def test_report_and_page_are_written_where_they_should_be(mixed, tmp_path) -> None:
    report = reported(mixed)
    page = summary.page(report, notice="UNTRAINED <weights>", rejects=(), neighbours=())
    path = summary.write(directory(str(tmp_path / "out")), page, report)
    assert path == str(tmp_path / "out/report.html")
    assert json.loads((tmp_path / "out/report.json").read_text()) == json.loads(json.dumps(report.values()))
    html = (tmp_path / "out/report.html").read_text()
    assert "UNTRAINED &lt;weights&gt;" in html
    assert "products__old" in html
    assert "products__a</bdi>" in html
