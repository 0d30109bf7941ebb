"""Training in two processes, as Spark's TorchDistributor starts them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrine.rendering import draw, jpeg, look, write_demo_catalog

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {
    **os.environ, "PYTHONPATH": f"{ROOT / 'lib'}:{ROOT}", "OMP_NUM_THREADS": "1", "PYSPARK_PYTHON": sys.executable
}  # fmt: skip
Run = Callable[..., dict[str, Any]]
pytestmark = pytest.mark.timeout(900)  # Spark and two processes start slowly beside other work
SETTINGS = (
    "--model.weights=random:0", "--model.precision=fp32", "--model.dim=32", "--sizes=32", "--held-out=0.3",
)  # fmt: skip
COLOURS = (
    "--labels=colour", "--same=0", "--side=48", "--steps=24", "--batch-size=96", "--average=0.8", "--validate-every=24",
    "--model.precision=auto",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`run("name", "--steps=4")` trains on a hundred drawn products in a program of its own; gives its figures."""
    place = tmp_path_factory.mktemp("together")
    drawn = write_demo_catalog(place, products=100, broken=0).path

    def do(name: str, *flags: str, code: int = 0) -> dict[str, Any]:
        given = [] if any(flag.startswith("--catalog") for flag in flags) else [f"--catalog={drawn}"]
        told = [f"--work={place}", f"--run={name}", *SETTINGS, *given, *flags]
        done = subprocess.run(
            [sys.executable, "jobs/train.py", *told],
            cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=850, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        if code:
            return {"said": [line for line in done.stderr.splitlines() if line.startswith("vitrine: ")]}
        found: dict[str, Any] = json.loads((place / "training" / name / "report" / "metrics.json").read_text())
        return found

    return do


def test_two_processes_train_one_model(run: Run) -> None:
    found = run("two", "--workers=2", "--labels=product_id", "--steps=2", "--batch-size=8")
    assert found["steps"] == 2
    assert [one["step"] for one in found["validations"]] == [0, 2]


@pytest.mark.slow
def test_an_error_in_the_processes_is_one_line_of_the_job(run: Run) -> None:
    found = run("wrong", "--workers=2", "--steps=20", "--batch-size=8", "--learning-rate=1e30", code=1)
    assert len(found["said"]) == 1
    assert "is not finite: lower train.learning_rate" in found["said"][0]


@pytest.mark.slow
@pytest.mark.timeout(3_000)
def test_two_processes_learn_as_well_as_one(run: Run, tmp_path: Path) -> None:
    """Within the interval of five seeds of one process, bootstrapped over the seeds and over the queries of each."""
    looks = [one for one in map(look, range(8_000)) if one.colour.name in {"red", "blue", "green", "yellow"}][:1_200]
    images, colours = [jpeg(draw(one, size=48)) for one in looks], [one.colour.name for one in looks]
    ids, catalog = [f"p{number:04}" for number in range(len(looks))], tmp_path / "coloured.parquet"
    pq.write_table(pa.table({"product_id": ids, "image": images, "colour": colours}), catalog)
    flags = (f"--catalog={catalog}", *COLOURS)
    alone = [run(f"seed{seed}", *flags, f"--seed={seed}") for seed in range(5)]
    together = run("both", *flags, "--workers=2")
    queries, dice = together["data"]["catalog"]["held_out"], np.random.default_rng(0)
    resampled = dice.binomial(queries, dice.choice([reached(one) for one in alone], 10_000)) / queries
    low, high = np.percentile(resampled, [2.5, 97.5])
    told = f"{reached(together):.3f} among {[round(reached(one), 3) for one in alone]}: {low:.3f} to {high:.3f}"
    assert low <= reached(together) <= high, told
    assert together["metrics"]["catalog colour map@r"] > 1.5 * together["at_the_start"]["catalog colour map@r"]


def reached(found: dict[str, Any]) -> float:
    return float(found["metrics"]["catalog colour recall@1"])
