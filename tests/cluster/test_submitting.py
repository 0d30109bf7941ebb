"""spark-submit to a standalone cluster, whose executors have the package from the zip of `make dist` alone."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from vitrine.index import collections
from vitrine.index.store import connect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip, made as `make dist` does."""
    target = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = target.glob("*.whl")
    return Path(shutil.copy(wheel, target / "vitrine-pyfiles.zip"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with all that vitrine needs, and no vitrine: .pth files of other site-packages are not read."""
    place = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    (site,) = place.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    python = place / "bin/python"
    assert subprocess.run([python, "-c", "import torch"], cwd=place, check=False).returncode == 0
    missing = subprocess.run([python, "-c", "import vitrine"], cwd=place, capture_output=True, text=True, check=False)
    assert "No module named 'vitrine'" in missing.stderr
    return python


@pytest.fixture
def submit(cluster, archive, bare, spark_home, tmp_path):
    """`submit(program, *arguments, **properties)` to two workers, as a user would; returns what it said."""
    two = cluster("127.0.0.1", "127.0.0.2")

    def run(program, *arguments, **properties):
        small = {"executor_memory": "512m", "driver_memory": "512m", **properties}
        flags = [part for key, value in small.items() for part in ("--conf", f"spark.{key.replace('_', '.')}={value}")]
        command = [
            spark_home / "bin/spark-submit",
            "--master",
            two.url,
            "--py-files",
            archive,
            *flags,
            program,
            *arguments,
        ]
        python = {"PYSPARK_PYTHON": str(bare), "PYSPARK_DRIVER_PYTHON": str(bare), "SPARK_HOME": str(spark_home)}
        environment = {**os.environ, **python}
        return subprocess.run(
            [*map(str, command)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


def test_the_job_runs_from_the_zip_with_its_own_weights(submit, job) -> None:
    flags = ["--catalog", job.place / "catalog.parquet", "--milvus.uri", job.place / "shop.db", "--run", "a"]
    done = submit(ROOT / "jobs/reindex.py", *flags, "--work", job.place / "work", executor_cores=1, cores_max=2)
    assert done.returncode == 0, done.stderr
    report = json.loads((job.place / "work/runs/a/report.json").read_text())
    assert (report["rows"], report["embedded"], report["engines"]) == (48, 48, 2)
    with connect(job.settings().milvus) as store:
        served = collections.current(store, "products")
        assert served is not None
        assert store.count(served.name) == 48


def test_executors_import_the_zip_and_tasks_see_the_gpus_that_they_are_given(submit, tmp_path, discovery) -> None:
    (tmp_path / "tasks").mkdir()
    gpus = {"executor_resource_gpu_amount": 2, "task_resource_gpu_amount": 0.5, "executor_cores": 4, "cores_max": 4}
    done = submit(Path(__file__).with_name("told_tasks.py"), tmp_path / "tasks", "{}", **gpus)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["slots"] == 4
    assert sorted(device for device, _ in told["tasks"]) == ["cuda:0", "cuda:0", "cuda:1", "cuda:1"]
    for _, file in told["tasks"]:
        assert Path(file).parts[-3:] == ("vitrine-pyfiles.zip", "vitrine", "__init__.py")
        assert Path(file).is_relative_to(tmp_path)
