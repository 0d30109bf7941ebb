import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
import pytest

from vitrine.index import collections, schema
from vitrine.index.store import connect
from vitrine.settings import Settings
from vitrine.testing import FakeEmbedder

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 240.0
DISCOVERY = """#!/bin/sh
echo '{"name": "gpu", "addresses": ["0", "1"]}'
"""


@dataclass(frozen=True)
class Attempt:
    """One attempt at a unit, in a Python worker: `number` as Spark counts, `committed` before it began."""

    pid: int
    unit: int
    number: int
    committed: bool
    ended: bool

    @property
    def executor(self) -> int:
        """Process id of the JVM that it works for."""
        daemon = psutil.Process(self.pid).parent()
        assert daemon is not None
        return daemon.ppid()


@dataclass
class Job:
    """A shop of 48 pictures in 6 units, and a reindex of it in a process of its own."""

    place: Path
    pictures: Sequence[bytes]
    environment: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def settings(self, **changes: Any) -> Settings:
        values = {
            "catalog": [str(self.place / "catalog.parquet")],
            "work": str(self.place / "work"),
            "run": "a",
            "milvus": {"uri": str(self.place / "shop.db")},
            "model": {"dim": 16},
        }
        return Settings.model_validate({**values, **changes})

    def start(self, master: str, faults: Mapping[str, Sequence[int]], **properties: str) -> subprocess.Popen[bytes]:
        """Start watched_reindex.py with faults; a Spark property is written with _ for its dots."""
        spark = {"master": master, "executor.memory": "512m", "driver.memory": "512m"}
        settings = self.settings(spark={**spark, **{key.replace("_", "."): value for key, value in properties.items()}})
        program = [sys.executable, Path(__file__).with_name("watched_reindex.py"), self.place]
        command = [*map(str, program), json.dumps(faults), settings.model_dump_json()]
        with (self.place / "errors").open("wb") as errors:
            self.started.append(subprocess.Popen(command, cwd=self.place, env=self.environment, stderr=errors))
        return self.started[-1]

    def go(self) -> None:
        """Let units go on."""
        (self.place / "go").touch()

    def attempts(self) -> list[Attempt]:
        """All attempts so far, by unit and number."""
        notes = (self.place / "attempts").glob("*.began")
        found = [Attempt(**json.loads(note.read_text()), ended=note.with_suffix(".ended").exists()) for note in notes]
        return sorted(found, key=lambda attempt: (attempt.unit, attempt.number))

    def await_attempts(self, *wanted: tuple[int, int]) -> list[Attempt]:
        """Wait until these have begun, given as unit and number in this order, and return them."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = [attempt for attempt in self.attempts() if (attempt.unit, attempt.number) in wanted]
            if len(found) == len(wanted):
                return found
            assert self.started[-1].poll() is None, self.errors()
            assert time.monotonic() < deadline, self.errors()
            time.sleep(0.05)

    def errors(self) -> str:
        """What the last start said on stderr."""
        return (self.place / "errors").read_text()

    def check(self) -> None:
        """The job has done what it had to: each picture once, with its own vector."""
        assert self.started[-1].wait(PATIENCE_S) == 0, self.errors()
        report = json.loads((self.place / "work/runs/a/report.json").read_text())
        assert (report["rows"], report["embedded"], report["duplicates"]) == (48, 48, 0)
        with connect(self.settings().milvus) as store:
            served = collections.current(store, "products")
            assert served is not None
            assert store.count(served.name) == 48
            rows = list(store.scan(served.name, fields=[schema.PRODUCT_ID, schema.VECTOR]))
        assert sorted(str(row[schema.PRODUCT_ID]) for row in rows) == [f"P{number:02}" for number in range(48)]
        for row in rows:
            picture = self.pictures[int(str(row[schema.PRODUCT_ID])[1:])]
            (expected,) = FakeEmbedder(dim=16).embed([(0, picture)])
            assert np.allclose(row[schema.VECTOR], expected.vectors[0], atol=1e-6)
        units = sorted(path.name for path in (self.place / "work/runs/a/units").iterdir())
        assert units == [f"{number:06}.json" for number in range(6)]

    def check_refused(self, *, exit_code: int = 1) -> str:
        """The job has ended with an error; returns its one line."""
        assert self.started[-1].wait(PATIENCE_S) == exit_code, self.errors()
        *logged, last = self.errors().splitlines()
        assert last.startswith("vitrine: ")
        assert [line for line in logged if "Error" in line or "Traceback" in line or line.startswith(" ")] == []
        return last


@dataclass
class Cluster:
    """Spark standalone on this machine."""

    place: Path
    home: Path
    discovery: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    url: str = ""

    def start(self, hosts: Sequence[str]) -> None:
        said = self._spawn("master", "master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        self.url = self._await(said, r"spark://127\.0\.0\.1:\d+")
        properties = self.place / "worker.conf"
        properties.write_text(
            f"spark.worker.resource.gpu.amount 2\nspark.worker.resource.gpu.discoveryScript {self.discovery}\n"
        )
        for host in hosts:
            flags = ["--host", host, "--port", "0", "--webui-port", "0", "--cores", "4", "--memory", "2g"]
            flags += ["--work-dir", str(self.place / host), "--properties-file", str(properties)]
            self._await(self._spawn(host, "worker.Worker", *flags, self.url), "Successfully registered with master")

    def _spawn(self, name: str, program: str, *flags: str) -> Path:
        said = self.place / f"{name}.log"
        environment = {**os.environ, "SPARK_HOME": str(self.home), "SPARK_DAEMON_MEMORY": "256m"}
        command = [str(self.home / "bin/spark-class"), f"org.apache.spark.deploy.{program}", *flags]
        with said.open("wb") as log:
            self.processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        return said

    def _await(self, said: Path, pattern: str) -> str:
        deadline = time.monotonic() + PATIENCE_S
        while not (found := re.search(pattern, said.read_text())):
            assert self.processes[-1].poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.05)
        return found[0]


@pytest.fixture(scope="session")
def spark_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Spark as it is installed, in a directory where a local cluster may leave its files."""
    home, installed = tmp_path_factory.mktemp("spark-home"), Path(pyspark.__file__).parent
    for name in ("bin", "jars", "python"):
        (home / name).symlink_to(installed / name)
    return home


@pytest.fixture
def job(tmp_path: Path, spark_home: Path, drawn_pictures: list[bytes]) -> Iterator[Job]:
    """A shop whose job has not been started; what it starts ends with the test."""
    (tmp_path / "attempts").mkdir()
    columns = {"product_id": [f"P{number:02}" for number in range(48)], "image": drawn_pictures[:48]}
    pq.write_table(pa.table(columns), tmp_path / "catalog.parquet", row_group_size=8)
    environment = {**os.environ, "SPARK_HOME": str(spark_home), "PYTHONPATH": str(ROOT)}
    made = Job(tmp_path, drawn_pictures, environment)
    yield made
    for process in made.started:
        end(process)


@pytest.fixture(scope="session")
def discovery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A discovery script that finds two GPUs on any machine."""
    script = tmp_path_factory.mktemp("gpus") / "discover.sh"
    script.write_text(DISCOVERY)
    script.chmod(0o755)
    return script


@pytest.fixture
def cluster(tmp_path: Path, spark_home: Path, discovery: Path) -> Iterator[Callable[..., Cluster]]:
    """Starts Spark standalone: a master, and a worker with four cores and two fake GPUs at each host."""
    started = []

    def start(*hosts: str) -> Cluster:
        made = Cluster(tmp_path, spark_home, discovery)
        started.append(made)
        made.start(hosts)
        return made

    yield start
    for made in started:
        for process in made.processes:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started."""
    if process.poll() is None:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for member in family:
            member.kill()
        process.wait()
