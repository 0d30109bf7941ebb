from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrine.catalog.sources import find, partition_values, readable, shown
from vitrine.errors import BadInput, BadSettings, Unavailable


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"product_id": ["a"], "image": [b"x"]}), path)
    return path


def names(*catalog: str | Path, below: Path) -> list[str]:
    return [Path(source.file).relative_to(below).as_posix() for source in find([str(place) for place in catalog])]


def test_files_come_in_the_order_of_the_arguments_sorted_within_each(tmp_path: Path) -> None:
    for name in ("b/2.parquet", "b/1.parquet", "b/deep/0.parquet", "a.parquet"):
        write(tmp_path / name)
    found = names(tmp_path / "b", tmp_path / "a.parquet", below=tmp_path)
    assert found == ["b/1.parquet", "b/2.parquet", "b/deep/0.parquet", "a.parquet"]


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet")
    assert names(path, tmp_path, below=tmp_path) == ["a.parquet"]


def test_hidden_files_and_other_formats_of_a_directory_are_left_out(tmp_path: Path) -> None:
    for name in ("_SUCCESS", "_temporary/0.parquet", ".part.parquet", "README.md", "part-0", "_day=1/x.parquet"):
        write(tmp_path / name)
    assert names(tmp_path, below=tmp_path) == ["_day=1/x.parquet", "part-0"]


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.parquet")
    monkeypatch.chdir(tmp_path)
    assert names("a.parquet", below=tmp_path) == ["a.parquet"]


@pytest.mark.parametrize("form", ["file://{}", "file:{}"])
def test_a_file_uri_is_the_path_it_names(tmp_path: Path, form: str) -> None:
    path = write(tmp_path / "with space.parquet")
    uri = form.format(str(path).replace(" ", "%20"))
    assert names(uri, below=tmp_path) == ["with space.parquet"]


def test_partitions_are_read_from_the_path_below_the_argument(tmp_path: Path) -> None:
    base = tmp_path / "run=7"
    write(base / "category=Shirts%2FBlue/season=__HIVE_DEFAULT_PARTITION__/0.parquet")
    (source,) = find([str(base)])
    assert source.partitions == ("category", "season")
    assert partition_values(source.file, source.partitions) == {"category": "Shirts/Blue", "season": None}


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.parquet does not exist"):
        find([str(tmp_path / "nowhere.parquet")])


def test_a_directory_without_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none here")
    with pytest.raises(BadInput, match=r"holds no Parquet file .*--catalog"):
        find([str(tmp_path)])


def test_no_catalogue_is_a_wrong_setting() -> None:
    with pytest.raises(BadSettings, match="--catalog"):
        find([])


def test_an_unknown_kind_of_address_is_a_wrong_setting() -> None:
    with pytest.raises(BadSettings, match="gopher://shop"):
        find(["gopher://shop/catalog.parquet"])


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(BadSettings, match="environment") as raised:
        find(["s3://AKIA:hunter2@shop/catalog.parquet?region=eu-west-1"])
    assert "hunter2" not in str(raised.value)


def test_messages_show_addresses_without_credentials() -> None:
    assert shown("s3://key:secret@shop/a%20b.parquet?token=secret") == "s3://shop/a%20b.parquet"
    assert shown("/data/100%/a?b.parquet") == "/data/100%/a?b.parquet"


def test_a_store_that_does_not_answer_is_unavailable_and_a_broken_disk_file_bad_input() -> None:
    with pytest.raises(Unavailable, match=r"s3://shop/a\.parquet"), readable("s3://shop/a.parquet?region=x"):
        raise OSError("AWS Error NETWORK_CONNECTION\nand more")
    with pytest.raises(BadInput, match=r"^/data/a\.parquet is broken: [^\n]*$"), readable("/data/a.parquet"):
        raise OSError("Corrupt snappy compressed data.\nand more")
