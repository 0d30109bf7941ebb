"""Locks: one holder at a time, and a dead one keeps nothing."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import fs

from vitrine.errors import Unavailable
from vitrine.lock import held
from vitrine.storage import Directory, directory

HOLDER = """
import sys, time
from vitrine.lock import held
from vitrine.storage import directory
with held(directory(sys.argv[1]), "run-a", "run a"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["local", "elsewhere"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Directory:
    """A directory of this machine, and one that is known to be somewhere else."""
    if request.param == "local":
        return directory(str(tmp_path))
    return Directory(fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), "shared")


def test_a_name_is_held_by_one_at_a_time(place: Directory) -> None:
    with held(place, "run-a", "run a"):
        with (
            pytest.raises(Unavailable, match=f"run a is being worked on by .*:{os.getpid()} since .*: wait"),
            held(place, "run-a", "run a"),
        ):
            pytest.fail("held twice")
        with held(place, "run-b", "run b"):
            pass
    with held(place, "run-a", "run a"):
        pass


def test_a_block_that_fails_lets_go(place: Directory) -> None:
    with pytest.raises(KeyError), held(place, "run-a", "run a"):
        raise KeyError
    with held(place, "run-a", "run a"):
        pass


def test_a_killed_holder_lets_go_at_once_on_this_machine(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Unavailable, match=f":{holder.pid} since"), held(directory(str(tmp_path)), "run-a", "run a"):
            pytest.fail("held twice")
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    with held(directory(str(tmp_path)), "run-a", "run a"):
        pass


@pytest.fixture
def elsewhere(tmp_path: Path) -> Directory:
    return Directory(fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), "shared")


def abandoned(place: Directory, age_s: float) -> Path:
    """A lease whose owner died so long ago."""
    place.write("run-a/dead", b"gone:1")
    written = Path(place.filesystem.base_path, place.path("run-a/dead"))
    os.utime(written, (written.stat().st_mtime - age_s,) * 2)
    return written


def test_a_lease_that_was_not_renewed_is_nobodys(elsewhere: Directory) -> None:
    left = abandoned(elsewhere, 61)
    with held(elsewhere, "run-a", "run a"):
        assert not left.exists()
    assert elsewhere.names("run-a") == []


def test_a_lease_counts_until_it_is_surely_dead(elsewhere: Directory) -> None:
    abandoned(elsewhere, 55)
    with pytest.raises(Unavailable, match="run a is being worked on by gone:1"), held(elsewhere, "run-a", "run a"):
        pytest.fail("held twice")
    assert elsewhere.names("run-a") == ["run-a/dead"]


def again_and_again(check: Callable[[], None]) -> None:
    while True:
        check()


def test_a_holder_whose_storage_is_away_learns_it_before_another_may_take_the_lease(elsewhere: Directory) -> None:
    with held(elsewhere, "run-a", "run a", renew_s=0.01, dead_after_s=1) as confirm:
        confirm()
        folder = Path(elsewhere.filesystem.base_path, elsewhere.path("run-a"))
        shutil.rmtree(folder)
        folder.touch()  # no lease can be written where a file stands
        with pytest.raises(Unavailable, match="lost the lease of run a"):
            again_and_again(confirm)
        folder.unlink()


def test_a_holder_renews_its_lease(elsewhere: Directory) -> None:
    with held(elsewhere, "run-a", "run a", renew_s=0.01):
        (mine,) = elsewhere.names("run-a")
        path = Path(elsewhere.filesystem.base_path, elsewhere.path(mine))
        os.utime(path, (0, 0))
        while not elsewhere.modified_s(mine):
            pass
        with pytest.raises(Unavailable), held(elsewhere, "run-a", "run a"):
            pytest.fail("held twice")
