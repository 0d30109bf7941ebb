"""The bench runs and says what it should; what it measures is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_bench_measures_every_stage_and_saves_it(tmp_path: Path) -> None:
    arguments = ["--pictures", "8", "--rounds", "1", "--only", "bundled", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "tests/bench/run.py", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (saved,) = tmp_path.glob("*.json")
    found = json.loads(saved.read_text())
    case = found["cases"]["bundled"]
    assert {"decode", "model", "engine", "spark", "naive"} <= set(case["images_per_cpu_s"])
    assert {"cpu", "flags", "cores", "versions", "command", "date"} <= set(found["machine"])
    assert {"engine", "spark", "naive", "jvm"} == {who for who, size in case["peak_rss_bytes"].items() if size > 0}
    assert [ratio["value"] > 0 for ratio in case["ratios"]] == [True] * 3
    assert "Spark / naive Spark" in done.stdout
