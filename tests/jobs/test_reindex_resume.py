"""A run that is killed goes on where it stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

JOB = Path(__file__).resolve().parent.parent.parent / "jobs" / "reindex.py"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_run_goes_on_with_the_units_that_are_left(shop, shared_data: Path) -> None:
    photos = pq.read_table(shared_data / "clothing" / "catalog.parquet", columns=["product_id", "image"]).slice(0, 600)
    pq.write_table(photos, shop.place / "catalog.parquet", row_group_size=100)
    place = shop.place
    flags = ["--catalog", place / "catalog.parquet", "--milvus.uri", place / "shop.db", "--work", place / "work"]
    command = [sys.executable, JOB, *flags, "--model.store", shop.models, "--run", "killed"]
    started = subprocess.Popen([*map(str, command)], stderr=subprocess.DEVNULL, start_new_session=True)
    units = place / "work/runs/killed/units"
    while started.poll() is None and not list(units.glob("0*.json")):
        time.sleep(0.05)
    os.killpg(started.pid, signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL
    done = {path.name: path.read_bytes() for path in units.glob("0*.json")}
    assert 0 < len(done) < 6
    again = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=400)
    assert again.returncode == 0, again.stderr
    assert {name: (units / name).read_bytes() for name in done} == done
    report = json.loads((place / "work/runs/killed/report/report.json").read_text())
    assert (report["rows"], report["embedded"], len(shop.vectors())) == (600, 600, 600)
