from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from vitrine.catalog import plan, read, read_plan, write_plan
from vitrine.catalog.sources import find, locate, partition_values
from vitrine.errors import BadInput
from vitrine.settings import Settings


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Query of an address that leads to a local stand-in of S3."""
    moto = pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[server]'")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"endpoint_override=http://{host}:{port}&region=us-east-1&allow_bucket_creation=true"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    filesystem, _ = locate(f"s3://shop?{endpoint}")
    filesystem.create_dir("shop")
    return "s3://shop"


def test_objects_are_found_with_the_address_that_opens_them_again(bucket: str, endpoint: str) -> None:
    folder = f"{bucket}/a b/category=T%20shirts"
    filesystem, path = locate(f"{folder}?{endpoint}")
    pq.write_table(pa.table({"product_id": ["a"]}), f"{path}/0.parquet", filesystem=filesystem)
    (source,) = find([f"{bucket}/a b?{endpoint}"])
    filesystem, path = locate(source.file)
    assert filesystem.get_file_info(path).type == fs.FileType.File
    assert partition_values(source.file, source.partitions) == {"category": "T shirts"}


def test_a_missing_object_is_named(bucket: str, endpoint: str) -> None:
    with pytest.raises(BadInput, match=r"s3://shop/nothing\.parquet does not exist"):
        find([f"{bucket}/nothing.parquet?{endpoint}"])


def test_hadoops_name_for_s3_is_understood(bucket: str, endpoint: str) -> None:
    place = f"{bucket.replace('s3:', 's3a:')}/b.parquet?{endpoint}"
    filesystem, path = locate(place)
    pq.write_table(pa.table({"product_id": ["a"]}), path, filesystem=filesystem)
    assert [source.file for source in find([place])] == [place]


def test_a_catalogue_in_object_storage_is_planned_and_read(bucket: str, endpoint: str) -> None:
    folder = f"{bucket}/catalog?{endpoint}"
    filesystem, path = locate(folder)
    for name in ("brand=A", "brand=B"):
        table = pa.table({"product_id": [f"{name} 1", f"{name} 2"], "image": [b"1", b"2"]})
        pq.write_table(table, f"{path}/{name}/0.parquet", filesystem=filesystem)
    found = plan(Settings(catalog=[folder]), slots=1)
    place = f"{bucket}/run/plan?{endpoint}"
    write_plan(found, place)
    pictures = [picture for unit in read_plan(place).units for picture in read(unit, found.columns)]
    assert sorted((picture.product.brand, picture.row, picture.data) for picture in pictures) == [
        ("A", 0, b"1"),
        ("A", 1, b"2"),
        ("B", 0, b"1"),
        ("B", 1, b"2"),
    ]
    assert {picture.file for picture in pictures} == {f"s3://shop/catalog/brand%3D{name}/0.parquet" for name in "AB"}
