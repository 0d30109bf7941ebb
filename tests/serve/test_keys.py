"""Keys from a file that changes."""

import logging
import os
from pathlib import Path

import pytest

from vitrine.errors import BadInput
from vitrine.serve.buckets import Bucket
from vitrine.serve.keys import KeyRing

FIRST, SECOND = "first-key-0123456789", "second-key-987654321"


class Clock:
    """A clock that stands still until it is told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"# of the shop\n\nweb {FIRST}\napp {SECOND}\n")
    return path


def test_a_key_has_the_name_of_its_line(file: Path) -> None:
    ring = KeyRing(file)
    assert [ring.name_of(key) for key in (FIRST, SECOND, "", FIRST[:-1], FIRST + " ", "\ud800")] == [
        "web", "app", None, None, None, None,
    ]  # fmt: skip


def test_a_changed_file_is_read_again_within_a_second(file: Path) -> None:
    clock = Clock()
    ring = KeyRing(file, clock=clock)
    file.write_text(f"app {SECOND}\n")
    assert ring.name_of(FIRST) == "web"
    clock.now += 1.0
    assert (ring.name_of(FIRST), ring.name_of(SECOND)) == (None, "app")


def test_a_file_that_is_replaced_by_another_of_the_same_time_and_size_is_noticed(file: Path, tmp_path: Path) -> None:
    clock = Clock()
    ring = KeyRing(file, clock=clock)
    other = tmp_path / "other"
    other.write_text(file.read_text().replace(FIRST, FIRST[::-1]))
    stamp = file.stat()
    os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    other.rename(file)
    clock.now += 1.0
    assert (ring.name_of(FIRST), ring.name_of(FIRST[::-1])) == (None, "web")


@pytest.mark.parametrize("content", ["", "web short\n", "web\n", f"web {FIRST} x\n", f"a {FIRST}\na {SECOND}\n"])
def test_a_file_that_turns_bad_leaves_the_keys_and_is_told_without_them(
    file: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    ring = KeyRing(file, clock=clock)
    file.write_text(content)
    clock.now += 1.0
    with caplog.at_level(logging.ERROR):
        assert ring.name_of(FIRST) == "web"
    assert "keys not read again" in caplog.text
    assert FIRST not in caplog.text
    with pytest.raises(BadInput, match=r"serve\.keys_file"):
        KeyRing(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot read serve\.keys_file .*absent: No such file"):
        KeyRing(tmp_path / "absent")


def test_a_bucket_lets_two_seconds_of_its_rate_through_and_then_says_how_long_to_wait() -> None:
    clock = Clock()
    bucket = Bucket(5.0, clock=clock)
    assert [bucket.wait_s() for _ in range(11)] == [0] * 10 + [1]
    clock.now += 0.2
    assert [bucket.wait_s(), bucket.wait_s()] == [0, 1]
    clock.now += 1_000
    assert [bucket.wait_s() for _ in range(11)] == [0] * 10 + [1]


def test_a_slow_bucket_names_the_seconds_until_its_next_token() -> None:
    clock = Clock()
    bucket = Bucket(0.1, clock=clock)
    assert [bucket.wait_s(), bucket.wait_s()] == [0, 10]
    clock.now += 4
    assert bucket.wait_s() == 6
