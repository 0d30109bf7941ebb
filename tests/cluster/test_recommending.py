"""Recommendations on a cluster whose tasks are tried twice: the lists are those of one process."""

import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

JOB = Path(__file__).resolve().parent.parent.parent / "jobs/recommend.py"
AS_OF = datetime(2026, 11, 20, tzinfo=UTC)
EAGER = {
    "speculation": "true",
    "speculation.interval": "10ms",
    "speculation.quantile": "0.1",
    "speculation.multiplier": "1.01",
    "speculation.minTaskRuntime": "0ms",
    "executor.cores": "1",
    "cores.max": "2",
    "executor.memory": "1g",
}


def clickstream(path: Path) -> Path:
    drawn = random.Random(6)
    rows = [
        {
            "user_id": f"u{drawn.randrange(200)}",
            "session_id": f"s{drawn.randrange(800)}",
            "product_id": f"p{min(int(drawn.paretovariate(0.6)), 300)}",
            "event_type": drawn.choice(["view", "cart", "purchase"]),
            "event_ts": AS_OF - timedelta(seconds=drawn.randrange(3_000_000)),
        }
        for _ in range(20_000)
    ]
    path.mkdir()
    for number in range(4):
        pq.write_table(pa.Table.from_pylist(rows[number::4]), path / f"{number}.parquet")
    return path


def lists(place: Path, events: Path, environment: dict[str, str], master: str, **properties: str) -> list[pa.Table]:
    """Related products of two measures, and users' lists."""
    flags = [f"--events={events}", f"--output={place}", f"--work={place}", "--run=a", f"--as_of={AS_OF.isoformat()}"]
    spark = [f"--spark.{name}={value}" for name, value in {"master": master, **properties}.items()]
    command = [sys.executable, JOB, *flags, "--measure", "gap-weighted", "sar-jaccard", "--users=50", *spark]
    done = subprocess.run(
        [*map(str, command)], env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    made = place / "a"
    files = [made / f"related_items/{name}-00000.parquet" for name in ("gap-weighted", "sar-jaccard")]
    return [pq.read_table(file) for file in (*files, made / "user_items/user_items-00000.parquet")]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_speculative_tasks_change_no_bit_of_a_list(tmp_path, job, cluster) -> None:
    events, history = clickstream(tmp_path / "events"), tmp_path / "history"
    history.mkdir()
    environment = {**job.environment, **os.environ, "VITRINE_USER_KEY": "a key for tests"}
    # Spark starts a second attempt only on another host.
    two = cluster("127.0.0.1", "127.0.0.2")
    logged = {"eventLog.enabled": "true", "eventLog.dir": history.as_uri(), "eventLog.compress": "false"}
    twice = lists(tmp_path / "twice", events, environment, two.url, **EAGER, **logged)
    told = "".join(file.read_text() for file in history.rglob("*") if file.is_file())
    assert told.count('"Speculative":true') > 0
    once = lists(tmp_path / "once", events, environment, "local[2]")
    assert [table.num_rows > 50 for table in once] == [True] * 3
    assert all(one.equals(other) for one, other in zip(once, twice, strict=True))
