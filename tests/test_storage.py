import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

from vitrine.errors import BadInput, BadSettings
from vitrine.storage import Directory, directory, require_writable


class PowerCut(Exception):
    """What ends a writer in the middle of a file."""


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An empty S3 bucket as a format string of URIs."""
    moto = pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[server]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        address = "http://{}:{}".format(*server.get_host_and_port())
        fs.S3FileSystem(endpoint_override=address, region="us-east-1", allow_bucket_creation=True).create_dir("shop")
        yield f"s3://shop/{{}}?endpoint_override={address}&region=us-east-1"
        server.stop()


@pytest.fixture(params=["path", "file", "s3"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A directory that does not exist yet."""
    if request.param == "s3":
        return str(request.getfixturevalue("bucket")).format(f"{tmp_path.name}/deep/er")
    return f"{'file://' if request.param == 'file' else ''}{tmp_path}/deep/er"


@pytest.fixture
def place(uri: str) -> Directory:
    return directory(uri)


def everything(place: Directory) -> list[str]:
    """All files, complete or not."""
    found = place.filesystem.get_file_info(fs.FileSelector(place.root, recursive=True, allow_not_found=True))
    return [info.path for info in found if info.type == fs.FileType.File]


def die_in(name: str, place: Directory, error: type[BaseException]) -> None:
    with place.output(name) as stream:
        stream.write(b"half")
        raise error


def test_what_is_written_is_read(place: Directory) -> None:
    place.write("a/b.bin", b"one")
    place.write("a/b.bin", b"two")
    assert place.read("a/b.bin") == b"two"
    assert place.exists("a/b.bin")
    assert (place.exists("a"), place.exists("a/c")) == (False, False)


def test_names_are_relative_and_sorted_at_any_depth(place: Directory) -> None:
    for name in ("b/2", "a", "b/1", "b/c/3"):
        place.write(name, b"")
    assert place.names() == ["a", "b/1", "b/2", "b/c/3"]
    assert place.names("b") == ["b/1", "b/2", "b/c/3"]
    assert place.within("b").names() == ["1", "2", "c/3"]
    assert place.names("nowhere") == []


def test_an_empty_directory_has_no_names(place: Directory) -> None:
    assert place.names() == []


def test_a_file_that_is_not_there_is_an_os_error(place: Directory) -> None:
    with pytest.raises(FileNotFoundError):
        place.read("a")


def test_a_file_appears_only_when_it_is_complete(place: Directory) -> None:
    with place.output("a/b") as stream:
        stream.write(b"half")
        assert place.names() == []
        assert not place.exists("a/b")
    assert place.read("a/b") == b"half"


@pytest.mark.parametrize("error", [PowerCut, KeyboardInterrupt])
def test_an_error_while_writing_leaves_nothing(place: Directory, error: type[BaseException]) -> None:
    with pytest.raises(error):
        die_in("a/b", place, error)
    assert everything(place) == []


def test_an_error_while_writing_leaves_the_earlier_file(place: Directory) -> None:
    place.write("a", b"whole")
    with pytest.raises(PowerCut):
        die_in("a", place, PowerCut)
    assert place.read("a") == b"whole"
    assert len(everything(place)) == 1


def test_what_a_killed_writer_left_is_not_named(place: Directory) -> None:
    place.write("a/b", b"whole")
    with place.filesystem.open_output_stream(place.path("a/.aside-0123-c")) as stream:
        stream.write(b"half")
    assert place.names() == ["a/b"]


def test_a_renamed_file_has_only_its_new_name(place: Directory) -> None:
    place.write("a", b"one")
    place.rename("a", "b")
    assert place.names() == ["b"]


@given(
    files=st.dictionaries(
        st.from_regex(r"([a-z]{1,2}/){0,2}[0-9]{1,3}", fullmatch=True), st.binary(max_size=50), min_size=1, max_size=5
    )
)
def test_all_files_of_a_directory_come_back(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    place = directory(str(tmp_path_factory.mktemp("all")))
    for name, data in files.items():
        place.write(name, data)
    assert {name: place.read(name) for name in place.names()} == files


def test_a_relative_path_stays_where_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = directory("here")
    monkeypatch.chdir("/")
    place.write("a", b"one")
    assert (tmp_path / "here" / "a").read_bytes() == b"one"


@pytest.mark.parametrize("uri", ["ftp://host/a", "http://host/a", "file://host/a"])
def test_an_address_without_a_file_system_is_named(uri: str) -> None:
    with pytest.raises(BadInput, match=uri):
        directory(uri)


def test_an_address_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(BadSettings, match="password") as refused:
        directory("s3://key:geheim@shop/a")
    assert "geheim" not in str(refused.value)


def test_a_writable_directory_is_made_and_left_empty(uri: str) -> None:
    place = require_writable(uri, "work")
    assert everything(place) == []
    place.write("a", b"one")
    assert directory(uri).read("a") == b"one"


def test_a_directory_that_cannot_be_made_is_told_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BadInput, match=r"cannot write to .*/file/w: .*; set features\.uri to a writable directory"):
        require_writable(f"{tmp_path}/file/w", "features.uri")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_is_told_with_its_setting(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(BadInput, match="set work to a writable directory"):
        require_writable(str(tmp_path), "work")


def test_a_bucket_that_is_not_there_is_told_with_its_setting(bucket: str) -> None:
    with pytest.raises(BadInput, match="set work to a writable directory"):
        require_writable(bucket.replace("shop", "nowhere").format("w"), "work")
