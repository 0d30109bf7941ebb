import os
import socket
from pathlib import Path

import pytest

from vitrine.errors import BadRecord
from vitrine.fetch import Fetcher
from vitrine.product import Reason
from vitrine.settings import Pictures

MAX = 1_000


@pytest.fixture
def pics(tmp_path: Path) -> Path:
    """A directory of pictures, and secrets around it."""
    folder = tmp_path / "pics"
    (folder / "red").mkdir(parents=True)
    (tmp_path / "pics-private").mkdir()
    (folder / "a.jpg").write_bytes(b"picture")
    (folder / "red" / "b c%41?#.jpg").write_bytes(b"odd name")
    (tmp_path / "pics-private" / "key").write_bytes(b"secret")
    return folder


def read(uri: str, *prefixes: str) -> bytes:
    return Fetcher(Pictures(prefixes=list(prefixes), max_bytes=MAX)).read(uri)


def refusal(uri: str, *prefixes: str) -> BadRecord:
    with pytest.raises(BadRecord) as caught:
        read(uri, *prefixes)
    assert caught.value.detail.isprintable()
    return caught.value


def reason(uri: str, *prefixes: str) -> Reason:
    return Reason(refusal(uri, *prefixes).reason)


def test_a_file_under_a_prefix_is_read(pics: Path) -> None:
    assert read(f"{pics}/a.jpg", str(pics)) == b"picture"
    assert read(f"{pics}/a.jpg", "/nowhere", f"{pics}/") == b"picture"
    assert read(f"file://{pics}/a.jpg", f"file://{pics}") == b"picture"
    assert read(f"file://localhost{pics}/a.jpg", str(pics)) == b"picture"


def test_a_prefix_of_everything_allows_everything(pics: Path) -> None:
    assert read(f"{pics}/a.jpg", "/") == b"picture"


def test_a_path_is_taken_as_it_stands_and_a_file_address_is_decoded(pics: Path) -> None:
    assert read(f"{pics}/red/b c%41?#.jpg", str(pics)) == b"odd name"
    assert read(f"file://{pics}/red/b%20c%2541%3F%23.jpg", str(pics)) == b"odd name"


@pytest.mark.parametrize(
    "path",
    [
        "-private/key",
        "/../pics-private/key",
        "/red/../../pics-private/key",
        "/%2e%2e/pics-private/key",
        "/%2E%2e%2fpics-private/key",
        "/..%00/pics-private/key",
    ],
)
def test_an_address_does_not_leave_its_prefix(pics: Path, path: str) -> None:
    assert reason(f"file://{pics}{path}", f"file://{pics}") == Reason.FORBIDDEN_ADDRESS


@pytest.mark.parametrize("path", ["-private/key", "/../pics-private/key", "/red/../../pics-private/key"])
def test_a_path_does_not_leave_its_prefix(pics: Path, path: str) -> None:
    assert reason(f"{pics}{path}", str(pics)) == Reason.FORBIDDEN_ADDRESS


def test_a_path_is_not_decoded(pics: Path) -> None:
    assert reason(f"{pics}/%2e%2e/pics-private/key", str(pics)) == Reason.MISSING


def test_dots_that_stay_inside_are_resolved(pics: Path) -> None:
    assert read(f"{pics}/red/../a.jpg", str(pics)) == b"picture"


def test_a_link_that_leaves_the_prefix_is_refused(pics: Path) -> None:
    (pics / "link").symlink_to(pics.parent / "pics-private" / "key")
    (pics / "folder").symlink_to(pics.parent / "pics-private")
    (pics / "inner").symlink_to(pics / "a.jpg")
    assert reason(f"{pics}/link", str(pics)) == Reason.FORBIDDEN_ADDRESS
    assert reason(f"{pics}/folder/key", str(pics)) == Reason.FORBIDDEN_ADDRESS
    assert read(f"{pics}/inner", str(pics)) == b"picture"


def test_a_prefix_may_be_a_link_itself(pics: Path) -> None:
    (pics.parent / "shortcut").symlink_to(pics)
    assert read(f"{pics.parent}/shortcut/a.jpg", f"{pics.parent}/shortcut") == b"picture"


@pytest.mark.parametrize("uri", ["file:///", "/a\0b", "/\ud800", "https://shop.example/a.jpg"])
def test_what_is_no_file_under_the_prefix_is_forbidden(pics: Path, uri: str) -> None:
    assert reason(uri, str(pics)) == Reason.FORBIDDEN_ADDRESS


def test_a_file_that_is_not_there_is_missing(pics: Path) -> None:
    assert reason(f"{pics}/none.jpg", str(pics)) == Reason.MISSING
    assert reason(f"{pics}/a.jpg/b", str(pics)) == Reason.MISSING
    assert reason(f"{pics}/{'long' * 100}", str(pics)) == Reason.MISSING


def test_links_in_a_circle_are_missing(pics: Path) -> None:
    (pics / "circle").symlink_to(pics / "circle")
    assert reason(f"{pics}/circle", str(pics)) == Reason.MISSING


def test_a_file_of_more_bytes_than_allowed_is_too_large(pics: Path) -> None:
    (pics / "large").write_bytes(bytes(MAX + 1))
    (pics / "full").write_bytes(bytes(MAX))
    assert reason(f"{pics}/large", str(pics)) == Reason.TOO_LARGE
    assert len(read(f"{pics}/full", str(pics))) == MAX


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
def test_a_file_that_hides_its_size_is_read_no_further_than_allowed() -> None:
    assert reason("/proc/self/smaps", "/proc") == Reason.TOO_LARGE


@pytest.mark.timeout(20)
def test_only_regular_files_are_opened(pics: Path) -> None:
    os.mkfifo(pics / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.relpath(pics / "socket"))
    listener.close()
    for uri in (f"{pics}/pipe", f"{pics}/socket", f"{pics}/red", "/dev/zero"):
        assert reason(uri, str(pics), "/dev") == Reason.MISSING


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_has_failed(pics: Path) -> None:
    (pics / "a.jpg").chmod(0)
    assert reason(f"{pics}/a.jpg", str(pics)) == Reason.FETCH_FAILED


def test_details_hold_no_control_characters(pics: Path) -> None:
    assert "\x1b" not in refusal(f"{pics}/\x1b[31m\n", str(pics)).detail
