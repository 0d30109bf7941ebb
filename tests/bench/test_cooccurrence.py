"""The bench of the clickstream runs and says what it should; what it measures is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.bench import clickstream

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_both_ways_give_as_many_rows_and_are_measured(tmp_path: Path) -> None:
    arguments = ["--millions", "0.02", "--join-up-to", "1", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "tests/bench/cooccurrence.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (saved,) = tmp_path.glob("*-cooccurrence.json")
    found = json.loads(saved.read_text())
    ours, joined = found["taken"]
    assert (ours["way"], joined["way"]) == ("vitrine", "self-join")
    assert ours["related_items"] == joined["related_items"] > 0
    assert all(ours[name] > 0 for name in ("events_per_s", "events_per_cpu_s", "jvm_peak_bytes", "worker_peak_bytes"))
    assert "vitrine / self-join, 20,000 events" in found["ratios"]


def test_the_clickstream_is_the_same_each_time_and_heavy_tailed(tmp_path: Path) -> None:
    clickstream.write(tmp_path / "one", 20_000)
    clickstream.write(tmp_path / "other", 20_000)
    events = pq.read_table(tmp_path / "one")
    assert events.equals(pq.read_table(tmp_path / "other"))
    lengths = sorted(
        count for count in events.group_by("session_id").aggregate([([], "count_all")])["count_all"].to_pylist()
    )
    assert lengths[len(lengths) // 2] <= 5
    assert lengths[-1] >= 100
