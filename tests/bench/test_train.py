"""The bench of training runs and says what it should; what it measures is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_bench_of_training_measures_the_loop_and_the_network_and_saves_it(tmp_path: Path) -> None:
    arguments = ["--pictures", "40", "--batch", "8", "--steps", "1", "--rounds", "1", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "tests/bench/train.py", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (saved,) = tmp_path.glob("*-train.json")
    found = json.loads(saved.read_text())
    assert [one["way"] for one in found["rates"]] == ["network", "learning", "loop"]
    assert all(one["images_per_s"] > 0 and one["images_per_cpu_s"] > 0 for one in found["rates"])
    assert all(value > 0 for value in found["ratios"].values())
    assert "loop / network, wall = " in done.stdout
