"""The bench runs and says what it should; what it measures is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import gpu
from vitrine.rendering import sample_pictures
from vitrine.settings import Model
from vitrine.vision.device import Cpu

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


def test_the_bench_of_a_gpu_measures_every_stage_and_saves_it(tmp_path: Path) -> None:
    """On a CPU that resizes as a GPU does; the card's own part is left out."""
    given = gpu.Bench(sample_pictures(8), 2, 0.0, lambda: Cpu(resizes=True), Cpu)
    model = Model(weights="random:0", image_size=32, precision="fp32", batch_size=4)
    table = gpu.bench(given, [model], tmp_path, {"gpu": "no card"}).read_text()
    assert table.startswith("no card, images a second")
    assert "| resnet18 fp32 | 4 |" in table
    (saved,) = tmp_path.glob("*-gpu.json")
    found = json.loads(saved.read_text())
    (rates,) = found["images_per_s"]
    stages = ("decode", "upload_resize", "network", "engine", "engine_resizing_on_cpu", "share")
    assert all(rates[stage] > 0 for stage in stages)
    assert found["machine"]["gpu"] == "no card"


@pytest.mark.gpu
@pytest.mark.timeout(300)
def test_the_bench_of_a_gpu_runs_by_itself(tmp_path: Path) -> None:
    arguments = [
        "--pictures",
        "64",
        "--seconds",
        "0.1",
        "--batches",
        "16",
        "--backbones",
        "resnet18",
        "--out",
        str(tmp_path),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.gpu", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "resnet18 fp16" in done.stdout


@pytest.mark.slow
def test_the_bench_of_loading_measures_insert_and_import_and_saves_both(tmp_path: Path) -> None:
    arguments = ["--rows", "500", "--dims", "16", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "tests/bench/load.py", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (saved,) = tmp_path.glob("*-load.json")
    found = json.loads(saved.read_text())
    assert [one["way"] for one in found["taken"]] == ["insert", "import", "pymilvus writer + import"]
    assert all(one["rows_per_second"] > 0 and one["file_bytes"] > 500 * 16 * 4 for one in found["taken"])
    assert "import / insert, 16-d" in found["ratios"]
    assert {"cpu", "command"} <= set(found["machine"])
    assert "import / insert, 16-d" in done.stdout
