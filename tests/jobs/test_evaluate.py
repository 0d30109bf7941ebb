"""jobs/evaluate.py from its command line: what is printed, what is written, what is refused."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from jobs.evaluate import main


def walks(path: Path, *, products: int = 12, sessions: int = 60) -> str:
    """A session a quarter of a day; its products come one after the other in the order of their ids."""
    generator = np.random.default_rng(5)
    start = datetime(2026, 11, 1, tzinfo=UTC)
    rows = []
    for number in range(sessions):
        first = int(generator.integers(products))
        for place in range(4):
            time = start + timedelta(days=number / 4, seconds=place)
            kind = "cart" if place == 3 else "view"
            rows.append((f"u{number % 9}", f"s{number}", f"p{(first + place) % products:02}", kind, time))
    names = ("user_id", "session_id", "product_id", "event_type", "event_ts")
    pq.write_table(pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)}), path)
    return str(path)


def histories(path: Path) -> str:
    generator = np.random.default_rng(6)
    rows = []
    for user in range(40):
        first = int(generator.integers(15))
        rows += [(str(user), place, str((first + place) % 15)) for place in range(6)]
    names = ("user_id", "position", "item_id")
    pq.write_table(pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)}), path)
    return str(path)


def figures(place: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((place / "metrics.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--ratings", "r.tsv"], "say what is to be evaluated: --recommendations"),
        (["--recommendations"], "nothing to evaluate: give --ratings, --sequences or --events"),
        (["--recommendations", "--ratings", "r.tsv", "--measure", "sar-magic"], "sar-magic"),
        (["--recommendations", "--ratings", "r.tsv", "--split", "time"], "split is user or item for ratings"),
        (["--recommendations", "--sequences", "s.parquet", "--split", "user"], "split is for ratings and events"),
        (["--recommendations", "--ratings", "r.tsv", "--sequences", "s.parquet"], "ratings or sequences, not both"),
        (["--recommendations", "--ratings", "r.tsv", "--k", "0"], "k"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert main(arguments) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("vitrine: ")
    assert told in line


def test_a_missing_file_is_one_line_and_exit_code_1(
    spark: SparkSession, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--recommendations", "--ratings", str(tmp_path / "no.tsv"), "--work", str(tmp_path)]) == 1
    assert "no.tsv" in capsys.readouterr().err.splitlines()[-1]


def test_ratings_are_judged_printed_and_written(
    spark: SparkSession, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    generator = np.random.default_rng(4)
    cells = generator.choice(20 * 25, 300, replace=False)
    lines = [f"{cell // 25}\t{cell % 25}\t{1 + cell % 5}\t{880_000_000 + 60 * cell}\n" for cell in cells]
    (tmp_path / "r.tsv").write_text("".join(lines))
    given = ["--recommendations", "--ratings", str(tmp_path / "r.tsv"), "--split", "user", "--seed", "42"]
    assert main([*given, "--measure", "sar-jaccard", "--report", str(tmp_path / "out"), "--resamples", "20"]) == 0
    found, printed = figures(tmp_path / "out"), capsys.readouterr().out
    for metric in ("map", "ndcg", "precision", "recall"):
        value = found[f"sar-jaccard.{metric}@10"]
        assert 0 < value == round(value, 6)
        assert found[f"sar-jaccard.{metric}@10.low"] <= value <= found[f"sar-jaccard.{metric}@10.high"]
        assert f"{value:.6f}" in printed
    assert all(f" {label}@10 |" in printed for label in ("MAP", "nDCG", "Precision", "Recall"))
    assert "sar-jaccard" in (tmp_path / "out" / "report.html").read_text("utf-8")
    assert printed.splitlines()[-1] == str(tmp_path / "out" / "report.html")


def test_sequences_are_tables_of_their_own_with_knobs_fitted(
    spark: SparkSession, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    files = [histories(tmp_path / "one.parquet"), histories(tmp_path / "two.parquet")]
    grid = ["--shrinkages", "0", "5", "--decays", "0", "0.5"]
    measures = ["--measure", "gap-weighted", "popularity"]
    given = ["--recommendations", "--sequences", *files, *measures, *grid, "--work", str(tmp_path), "--run", "a"]
    assert main([*given, "--resamples", "0"]) == 0
    found = figures(tmp_path / "evaluations" / "a")
    assert found["one.gap-weighted.ndcg@10"] == found["two.gap-weighted.ndcg@10"] > 0.9
    assert found["one.popularity.ndcg@10"] < 0.7
    printed = capsys.readouterr().out
    assert "gap-weighted (default)" in printed
    assert "shrinkage 0, decay 0" in printed


@pytest.mark.slow
def test_events_are_judged_with_repeats_and_with_new_items_only(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VITRINE_USER_KEY", "0123456789abcdef0123456789abcdef")
    events = walks(tmp_path / "events.parquet")
    given = ["--recommendations", "--events", events, "--test_days", "3", "--resamples", "20", "--tune"]
    grid = ["--shrinkages", "0", "5", "--decays", "0", "0.5"]
    measures = ["--measure", "gap-weighted", "markov", "sar-cosine", "popularity"]
    assert main([*given, *grid, *measures, "--report", str(tmp_path / "out")]) == 0
    found = figures(tmp_path / "out")
    for name in ("", "new."):
        assert found[f"{name}markov.mrr@10"] > 0.9
        assert found[f"{name}gap-weighted.ndcg@10"] > 0.8 > found[f"{name}popularity.ndcg@10"]
    assert "u1" not in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_events_are_judged_by_the_last_product_of_each_user(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VITRINE_USER_KEY", "0123456789abcdef0123456789abcdef")
    events = walks(tmp_path / "events.parquet", products=40)
    given = ["--recommendations", "--events", events, "--split", "last", "--measure", "gap-weighted", "popularity"]
    assert main([*given, "--report", str(tmp_path / "out"), "--resamples", "0"]) == 0
    assert set(figures(tmp_path / "out")) > {"gap-weighted.ndcg@10", "popularity.hr@10", "gap-weighted.coverage@10"}
