import os
import re

import pytest
from pyarrow import fs

from vitrine.errors import BadInput
from vitrine.index.bulk import places
from vitrine.index.bulk.places import server_paths
from vitrine.storage import directory


@pytest.fixture
def bucket(monkeypatch):
    moto = pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[server]'")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    fs.S3FileSystem(endpoint_override=f"http://{host}:{port}", allow_bucket_creation=True).create_dir("milvus-bucket")
    yield "s3://milvus-bucket"
    server.stop()


def test_a_file_is_named_by_its_path(tmp_path):
    directory(str(tmp_path)).write("run/rows/a.parquet", b"rows")

    wanted = [str(tmp_path / "run/rows/a.parquet")]

    assert server_paths(str(tmp_path), wanted) == wanted
    assert server_paths(f"file://{tmp_path}/", [f"file://{wanted[0]}"]) == wanted


def test_an_object_is_named_by_its_key_within_the_bucket(bucket):
    directory(f"{bucket}/imports").write("run/a.parquet", b"rows")

    assert server_paths(f"{bucket}/imports", [f"{bucket}/imports/run/a.parquet"]) == ["imports/run/a.parquet"]


@pytest.mark.parametrize(
    "file", ["{}-else/a", "/etc/passwd", "{}/../a", "{}/b/../../a", "{}//a", "{}", "s3://b/a", "a"]
)
def test_a_file_elsewhere_is_refused(tmp_path, file):
    file = file.format(tmp_path)

    with pytest.raises(BadInput, match=f"^{re.escape(file)} does not lie below milvus.import_uri {tmp_path}"):
        server_paths(str(tmp_path), [file])


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"a\.parquet cannot be imported: there is no such file$"):
        server_paths(str(tmp_path), [f"{tmp_path}/a.parquet"])


def test_a_file_that_milvus_would_not_take_is_named_before_it_is_asked(tmp_path):
    with (tmp_path / "a.parquet").open("wb") as sparse:
        os.truncate(sparse.fileno(), places.MAX_FILE_BYTES)
    assert server_paths(str(tmp_path), [f"{tmp_path}/a.parquet"])

    os.truncate(tmp_path / "a.parquet", places.MAX_FILE_BYTES + 1)

    with pytest.raises(BadInput, match=r"a\.parquet cannot be imported: 17179869185 bytes"):
        server_paths(str(tmp_path), [f"{tmp_path}/a.parquet"])
