import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow import fs

from vitrine.errors import BadRecord, BadSettings
from vitrine.fetch import check_prefixes, fetch
from vitrine.product import Reason

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


def refusal(uri: str, *prefixes: str) -> BadRecord:
    with pytest.raises(BadRecord) as caught:
        fetch(uri, prefixes, MAX)
    assert "\n" not in caught.value.detail
    return caught.value


def reason(uri: str, *prefixes: str) -> Reason:
    return Reason(refusal(uri, *prefixes).reason)


def test_a_file_under_a_prefix_is_read(pics: Path) -> None:
    assert fetch(f"{pics}/a.jpg", [str(pics)], MAX) == b"picture"
    assert fetch(f"{pics}/a.jpg", ["/nowhere", f"{pics}/"], MAX) == b"picture"
    assert fetch(f"file://{pics}/a.jpg", [f"file://{pics}"], MAX) == b"picture"
    assert fetch(f"file://localhost{pics}/a.jpg", [str(pics)], MAX) == b"picture"


def test_a_prefix_of_everything_allows_everything(pics: Path) -> None:
    assert fetch(f"{pics}/a.jpg", ["/"], MAX) == b"picture"


def test_a_path_is_taken_as_it_stands_and_a_file_address_is_decoded(pics: Path) -> None:
    assert fetch(f"{pics}/red/b c%41?#.jpg", [str(pics)], MAX) == b"odd name"
    assert fetch(f"file://{pics}/red/b%20c%2541%3F%23.jpg", [str(pics)], MAX) == b"odd name"


def test_without_prefixes_every_address_is_refused_and_the_setting_named(pics: Path) -> None:
    for uri in (f"{pics}/a.jpg", "s3://bucket/a.jpg", "https://shop.example/a.jpg"):
        error = refusal(uri)
        assert error.reason == Reason.FORBIDDEN_ADDRESS
        assert "pictures.prefixes" in error.detail


def test_an_empty_address_is_missing(pics: Path) -> None:
    assert reason("", str(pics)) == Reason.MISSING


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
    assert fetch(f"{pics}/red/../a.jpg", [str(pics)], MAX) == b"picture"


def test_a_link_that_leaves_the_prefix_is_refused(pics: Path) -> None:
    (pics / "link").symlink_to(pics.parent / "pics-private" / "key")
    (pics / "folder").symlink_to(pics.parent / "pics-private")
    (pics / "inner").symlink_to(pics / "a.jpg")
    assert reason(f"{pics}/link", str(pics)) == Reason.FORBIDDEN_ADDRESS
    assert reason(f"{pics}/folder/key", str(pics)) == Reason.FORBIDDEN_ADDRESS
    assert fetch(f"{pics}/inner", [str(pics)], MAX) == b"picture"


def test_a_prefix_may_be_a_link_itself(pics: Path) -> None:
    (pics.parent / "shortcut").symlink_to(pics)
    assert fetch(f"{pics.parent}/shortcut/a.jpg", [f"{pics.parent}/shortcut"], MAX) == b"picture"


@pytest.mark.parametrize(
    "uri",
    [
        "a.jpg",
        "pics/a.jpg",
        "file:///",
        "file://host/pics/a.jpg",
        "file://a.jpg",
        "http://shop.example/a.jpg",
        "https://shop.example/a.jpg",
        "ftp://shop.example/a.jpg",
        "data:image/png;base64,AAAA",
        "s3a://bucket/a.jpg",
        "/a\0b",
        "/\ud800",
        "://",
    ],
)
def test_other_addresses_are_forbidden(pics: Path, uri: str) -> None:
    assert reason(uri, str(pics), "https://shop.example/") == Reason.FORBIDDEN_ADDRESS


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
    assert len(fetch(f"{pics}/full", [str(pics)], MAX)) == MAX


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


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "pics",
        "file://host/pics",
        "file:///pics?region=x",
        "http://shop.example/",
        "s3://",
        "s3://bucket/?access_key=x",
        "hdfs://name/pics",
    ],
)
def test_a_prefix_that_is_none_is_a_mistake_in_the_settings(prefix: str) -> None:
    with pytest.raises(BadSettings, match=r"pictures\.prefixes"):
        check_prefixes([prefix])


def test_credentials_in_a_prefix_are_refused_and_not_repeated() -> None:
    with pytest.raises(BadSettings) as caught:
        check_prefixes(["s3://key:s3cr3t@bucket/pics/"])
    assert "s3cr3t" not in str(caught.value)


def test_good_prefixes_pass() -> None:
    check_prefixes(
        ["/data/pics", "file:///data/pics/", "s3://bucket", "s3://bucket/a?region=eu-1", "https://cdn.example/"]
    )


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An S3 server with the objects `pics/a.jpg`, `pics-private/key` and `pics/b c%41.jpg` in `bucket`."""
    from moto.server import ThreadedMotoServer

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        store = fs.S3FileSystem(endpoint_override=address, region="us-east-1", allow_bucket_creation=True)
        store.create_dir("bucket")
        for key in ("pics/a.jpg", "pics-private/key", "pics/b c%41.jpg"):
            with store.open_output_stream(f"bucket/{key}") as stream:
                stream.write(key.encode())
        yield f"endpoint_override={address}"
        server.stop()


def test_an_object_under_a_prefix_is_read(endpoint: str) -> None:
    for prefix in ("s3://bucket/pics/", "s3://bucket/pics", "s3://bucket"):
        assert fetch("s3://bucket/pics/a.jpg", [f"{prefix}?{endpoint}"], MAX) == b"pics/a.jpg"


def test_a_key_is_taken_as_it_stands(endpoint: str) -> None:
    assert fetch("s3://bucket/pics/b c%41.jpg", [f"s3://bucket/?{endpoint}"], MAX) == b"pics/b c%41.jpg"


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/pics-private/key",
        "s3://bucket/pics/../pics-private/key",
        "s3://bucket/pics/%2e%2e/pics-private/key",
        "s3://bucket/pics/./a.jpg",
        "s3://bucket/pics//a.jpg",
        "s3://bucket/pics/",
        "s3://bucket",
        "s3://bucket2/pics/a.jpg",
        "s3:///pics/a.jpg",
        "s3://bucket/pics/a.jpg?endpoint_override=http://evil.example",
        "s3://bucket/pics/a.jpg#x",
        "s3://key:s3cr3t@bucket/pics/a.jpg",
    ],
)
def test_other_objects_are_forbidden(endpoint: str, uri: str) -> None:
    error = refusal(uri, f"s3://bucket/pics/?{endpoint}", "/")
    assert error.reason == Reason.FORBIDDEN_ADDRESS
    assert "s3cr3t" not in error.detail


def test_an_object_that_is_not_there_is_missing(endpoint: str) -> None:
    assert reason("s3://bucket/pics/none.jpg", f"s3://bucket/?{endpoint}") == Reason.MISSING
    assert reason("s3://bucket/pics", f"s3://bucket/?{endpoint}") == Reason.MISSING
    assert reason("s3://bucket9/pics", f"s3://bucket9/?{endpoint}") == Reason.MISSING


def test_an_object_of_more_bytes_than_allowed_is_too_large(endpoint: str) -> None:
    prefix = [f"s3://bucket/?{endpoint}"]
    assert fetch("s3://bucket/pics/a.jpg", prefix, 10)
    with pytest.raises(BadRecord, match="too_large"):
        fetch("s3://bucket/pics/a.jpg", prefix, 9)


def test_many_objects_are_read_at_once(endpoint: str) -> None:
    read: list[bytes] = []
    prefixes = [f"s3://bucket/?{endpoint}"]
    threads = [
        threading.Thread(target=lambda: read.append(fetch("s3://bucket/pics/a.jpg", prefixes, MAX))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == [b"pics/a.jpg"] * 8


def test_a_server_that_is_not_there_has_failed() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{taken.getsockname()[1]}"
        prefix = f"s3://bucket/?endpoint_override=http://{closed}&region=us-east-1"
        assert reason("s3://bucket/pics/a.jpg", prefix) == Reason.FETCH_FAILED


def test_options_that_s3_cannot_use_are_a_mistake_in_the_settings() -> None:
    with pytest.raises(BadSettings, match=r"pictures\.prefixes"):
        fetch("s3://bucket/a.jpg", ["s3://bucket/?scheme=gopher&region=us-east-1"], MAX)
