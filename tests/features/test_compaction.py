"""Small parts are put together, and nothing is lost: not by a kill, not beside other processes."""

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrine.embedding import Vectors
from vitrine.features import FeatureStore
from vitrine.features.store import MOST_SMALL_PARTS

DIM = 4
KEYS = st.lists(st.sets(st.integers(0, 30), min_size=1), min_size=1, max_size=3 * MOST_SMALL_PARTS)


def hashed(key: int) -> str:
    """A hash of bucket 00 or 01."""
    return f"{key % 2:02x}{hashlib.sha256(bytes([key])).hexdigest()[2:]}"


def vector(sha256: str) -> Vectors:
    drawn = np.random.default_rng(int(sha256[2:10], 16)).standard_normal(DIM).astype(np.float32)
    unit: Vectors = drawn / np.linalg.norm(drawn)
    return unit


def append(store: FeatureStore, *keys: int) -> None:
    hashes = [hashed(key) for key in keys]
    store.append([(pa.array(hashes, pa.string()), np.stack([vector(sha256) for sha256 in hashes]))])


def found(store: FeatureStore) -> dict[str, tuple[float, ...]]:
    return {
        sha256: tuple(one.tolist())
        for bucket in ("00", "01")
        for sha256, one in zip(*store.bucket(bucket), strict=True)
    }


def expected(keys: set[int]) -> dict[str, tuple[float, ...]]:
    return {hashed(key): tuple(vector(hashed(key)).tolist()) for key in keys}


def opened(place: Path) -> FeatureStore:
    return FeatureStore(str(place), "m1", DIM)


def parts(place: Path) -> list[str]:
    return sorted(path.name for path in place.rglob("part-*.parquet"))


@settings(max_examples=25)
@given(runs=KEYS)
def test_a_compacted_store_holds_what_was_appended_once(
    tmp_path_factory: pytest.TempPathFactory, runs: list[set[int]]
) -> None:
    place = tmp_path_factory.mktemp("store")
    store = opened(place)
    for keys in runs:
        append(store, *keys)
    before = len(parts(place))
    gone = store.compact()
    assert found(store) == expected(set().union(*runs))
    assert len(parts(place)) <= min(before, 2 * MOST_SMALL_PARTS)
    assert (gone == 0) == (len(parts(place)) == before)
    assert store.set_aside == []


def test_a_bucket_of_few_parts_and_large_parts_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path)
    for key in range(0, 2 * MOST_SMALL_PARTS, 2):
        append(store, key)
    before = parts(tmp_path)
    assert store.compact() == 0
    append(store, 100)
    monkeypatch.setattr("vitrine.features.store.SMALL_BYTES", 10)
    assert store.compact() == 0
    assert set(before) < set(parts(tmp_path))


def test_many_parts_are_put_together_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path)
    for key in range(0, 60, 2):
        append(store, key)
    size_bytes = max(path.stat().st_size for path in tmp_path.rglob("part-*.parquet"))
    monkeypatch.setattr("vitrine.features.store.SMALL_BYTES", 6 * size_bytes)
    assert store.compact() >= 20
    assert len(parts(tmp_path)) <= MOST_SMALL_PARTS
    assert found(store) == expected(set(range(0, 60, 2)))


def test_a_broken_part_is_put_aside_and_the_others_together(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for key in range(0, 2 * MOST_SMALL_PARTS + 4, 2):
        append(store, key)
    broken = next(tmp_path.rglob("part-*.parquet"))
    lost = next(key for key in range(100) if hashed(key).encode() in broken.read_bytes())
    broken.write_bytes(broken.read_bytes()[:-5])
    store.compact()
    assert store.set_aside == [f"bucket=00/{broken.name}"]
    assert broken.with_name(f"{broken.name}.unreadable").exists()
    assert len(parts(tmp_path)) == 1
    assert found(store) == expected(set(range(0, 2 * MOST_SMALL_PARTS + 4, 2)) - {lost})


KILLED = """
import os, shutil, signal, sys
from vitrine.features import FeatureStore

def compact(place, last_step):
    steps, deletions = 0, []
    def trace(frame, event, argument):
        nonlocal steps
        if frame.f_globals.get("__name__", "").startswith(("vitrine.features", "vitrine.storage")):
            steps += event == "line"
            if steps == last_step:
                os.kill(os.getpid(), signal.SIGKILL)
            if frame.f_code.co_name == "delete":
                deletions.append(steps)
            return trace
    store = FeatureStore(place, "m1", 4)
    sys.settrace(trace)
    store.compact()
    sys.settrace(None)
    return deletions[0], deletions[-1]

place, *last_steps = sys.argv[1:]
for last_step in last_steps:
    copy = f"{place}-{last_step}"
    shutil.copytree(place, copy)
    child = os.fork()
    if not child:
        print(*compact(copy, int(last_step)), flush=True)
        os._exit(0)
    print("ended", os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
"""


def killed_at(place: Path, *last_steps: int) -> list[str]:
    """Compact a copy of the store for each step, killed at that line of our code; what the processes said."""
    command = [sys.executable, "-c", KILLED, str(place), *map(str, last_steps)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.splitlines()


def test_a_killed_compaction_loses_nothing_wherever_it_is_killed(tmp_path: Path) -> None:
    place = tmp_path / "store"
    store = opened(place)
    keys = set(range(0, 4 * MOST_SMALL_PARTS, 2))
    for key in keys:
        append(store, key, 0)
    steps, ended = killed_at(place, -1)
    assert ended == "ended 0"
    first_deletion, last_deletion = map(int, steps.split())
    drawn = random.Random(7)
    points = [*drawn.sample(range(1, first_deletion), 4), *drawn.sample(range(first_deletion, last_deletion), 4)]
    assert killed_at(place, *points) == ["ended 9"] * len(points)
    states = set()
    for point in points:
        copy = Path(f"{place}-{point}")
        states.add(len(parts(copy)))
        assert found(opened(copy)) == expected(keys)
        opened(copy).compact()
        assert found(opened(copy)) == expected(keys)
        assert len(parts(copy)) <= MOST_SMALL_PARTS
    assert min(states) < len(keys) < max(states)  # between the deletions, and with the new part beside all old ones


def test_readers_appenders_and_compactions_side_by_side_lose_nothing(tmp_path: Path) -> None:
    store, over = opened(tmp_path), Event()
    append(store, *range(60))

    def until_over(work: Callable[[], None]) -> int:
        rounds = 0
        while not over.is_set():
            work()
            rounds += 1
        return rounds

    def read() -> None:
        assert expected(set(range(60))).items() <= found(opened(tmp_path)).items()

    def compact() -> None:
        opened(tmp_path).compact()

    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(until_over, work) for work in (read, read, compact, compact)]
        for key in range(60, 220):
            append(store, key)
        over.set()
        assert all(other.result() for other in others)
    assert found(store) == expected(set(range(220)))
    assert len(parts(tmp_path)) < 160


def test_processes_that_compact_at_once_lose_nothing(tmp_path: Path) -> None:
    place = tmp_path / "store"
    keys = set(range(0, 200, 2))
    for key in keys:
        append(opened(place), key)
    script = "import sys; from vitrine.features import FeatureStore; FeatureStore(sys.argv[1], 'm1', 4).compact()"
    processes = [subprocess.Popen([sys.executable, "-c", script, str(place)], env=os.environ) for _ in range(3)]
    while any(process.poll() is None for process in processes):
        assert found(opened(place)) == expected(keys)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert found(opened(place)) == expected(keys)
    assert len(parts(place)) < 100
