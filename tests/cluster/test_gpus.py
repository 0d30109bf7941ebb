"""Who asks a cluster for GPUs and gets none is told so."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

JOB = Path(__file__).resolve().parent.parent.parent / "jobs/reindex.py"


@pytest.fixture
def refused(job):
    """Runs the job itself until it ends with an error, and returns that line."""

    def run(master, **properties):
        flags = ["--catalog", job.place / "catalog.parquet", "--milvus.uri", job.place / "shop.db", "--run", "a"]
        spark = {"master": master, "executor.memory": "512m", "driver.memory": "512m"}
        spark |= {key.replace("_", "."): value for key, value in properties.items()}
        command = [sys.executable, JOB, *flags, "--work", job.place / "work"]
        command += [f"--spark.{key}={value}" for key, value in spark.items()]
        done = subprocess.run([*map(str, command)], env=job.environment, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
        return done.stderr.splitlines()[-1]

    return run


def test_a_gpu_that_is_assigned_and_that_torch_does_not_see_ends_the_job(refused, cluster) -> None:
    gpus = {"executor_resource_gpu_amount": 1, "task_resource_gpu_amount": 0.5}
    line = refused(cluster("127.0.0.1").url, executor_cores=2, **gpus)
    assert re.match("vitrine: torch sees no cuda:[01] here: set model.device=cpu", line)


def test_gpus_that_no_worker_has_are_not_waited_for_without_end(refused, cluster) -> None:
    gpus = {"executor_resource_gpu_amount": 3, "task_resource_gpu_amount": 1}
    line = refused(cluster("127.0.0.1").url, scheduler_maxRegisteredResourcesWaitingTime="5s", **gpus)
    assert line.startswith("vitrine: Spark has had no executor for 5 s")
