"""Pictures in S3, on a local stand-in and on a server that misbehaves."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pyarrow import fs

from vitrine.errors import BadRecord, BadSettings
from vitrine.fetch import Fetcher
from vitrine.fetch.outages import Outages
from vitrine.product import Reason
from vitrine.settings import Pictures

pytestmark = pytest.mark.timeout(60)

MAX = 1_000
OBJECTS = {"pics/a.jpg": b"picture", "pics-private/key": b"secret", "pics/b c%41.jpg": b"odd name"}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of an S3 server with OBJECTS in `bucket`."""
    moto = pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[server]'")
    started = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    address = "http://{}:{}".format(*started.get_host_and_port())
    keys = {"access_key": "testing", "secret_key": "testing", "region": "us-east-1"}
    store = fs.S3FileSystem(endpoint_override=address, allow_bucket_creation=True, **keys)
    store.create_dir("bucket")
    for key, data in {**OBJECTS, "pics/full": bytes(MAX), "pics/huge": bytes(MAX + 1)}.items():
        with store.open_output_stream(f"bucket/{key}") as stream:
            stream.write(data)
    yield address
    started.stop()


def s3(endpoint: str, prefix: str = "s3://bucket/pics/", **changes) -> Fetcher:
    options = f"endpoint_override={endpoint}&region=us-east-1"
    return Fetcher(Pictures(prefixes=[f"{prefix}?{options}", "/"], max_bytes=MAX, fetch_attempts=1, **changes))


def refusal(fetcher: Fetcher, uri: str) -> BadRecord:
    with pytest.raises(BadRecord) as caught:
        fetcher.read(uri)
    assert caught.value.detail.isprintable()
    return caught.value


@pytest.mark.parametrize("prefix", ["s3://bucket/pics/", "s3://bucket/pics", "s3://bucket"])
def test_an_object_under_a_prefix_is_read(server: str, prefix: str) -> None:
    assert s3(server, prefix).read("s3://bucket/pics/a.jpg") == b"picture"


def test_a_key_is_taken_as_it_stands(server: str) -> None:
    assert s3(server).read("s3://bucket/pics/b c%41.jpg") == b"odd name"


@pytest.mark.parametrize("uri", ["s3://bucket/pics-private/key", "s3://bucket2/pics/a.jpg", "s3://bucket/pics"])
def test_objects_under_no_prefix_are_forbidden(server: str, uri: str) -> None:
    assert refusal(s3(server), uri).reason == Reason.FORBIDDEN_ADDRESS


def test_an_object_or_bucket_that_is_not_there_is_missing(server: str) -> None:
    for uri in ("s3://bucket/pics/none.jpg", "s3://bucket/pics", "s3://bucket9/pics/a.jpg"):
        assert refusal(s3(server, f"s3://{uri[5:].split('/')[0]}/"), uri).reason == Reason.MISSING


def test_an_object_of_more_bytes_than_allowed_is_too_large(server: str) -> None:
    assert len(s3(server).read("s3://bucket/pics/full")) == MAX
    assert refusal(s3(server), "s3://bucket/pics/huge").reason == Reason.TOO_LARGE


def test_many_objects_are_read_at_once(server: str) -> None:
    shop = s3(server)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(shop.read, ["s3://bucket/pics/a.jpg"] * 32)) == {b"picture"}


class Misbehaving(BaseHTTPRequestHandler):
    """A server that says of each object to have 900 bytes; a number as key is the status it answers."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_HEAD(self) -> None:
        key = self.path.rpartition("/")[2]
        self.asked.append(key)
        self.send_response(int(key) if key.isdigit() else 200)
        self.send_header("Content-Length", "900")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(b"half")
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def misbehaving() -> Iterator[tuple[str, list[str]]]:
    """Address of a server that misbehaves, and the keys it was asked for."""
    asked: list[str] = []
    handler = type("Handler", (Misbehaving,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("key", ["403", "500", "503", "429", "truncated"])
def test_an_object_that_cannot_be_had_has_failed(misbehaving: tuple[str, list[str]], key: str) -> None:
    assert refusal(s3(misbehaving[0]), f"s3://bucket/pics/{key}").reason == Reason.FETCH_FAILED


@pytest.mark.parametrize(("key", "is_away"), [("403", False), ("404", False), ("500", True), ("503", True)])
def test_an_endpoint_that_is_away_is_not_asked_for_each_object(
    misbehaving: tuple[str, list[str]], key: str, is_away: bool
) -> None:
    endpoint, asked = misbehaving
    prefixes = [f"s3://bucket/?endpoint_override={endpoint}&region=us-east-1"]
    shop = Fetcher(Pictures(prefixes=prefixes, fetch_attempts=1), outages=Outages(patience_s=0))
    for _ in range(3):
        refusal(shop, f"s3://bucket/{key}")
    assert asked == [key] * (1 if is_away else 3)


def test_a_server_that_is_not_there_has_failed() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        shop = s3(f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert refusal(shop, "s3://bucket/pics/a.jpg").reason == Reason.FETCH_FAILED


def test_options_that_s3_cannot_use_are_a_mistake_in_the_settings() -> None:
    limits = Pictures(prefixes=["s3://bucket/?scheme=gopher&region=us-east-1"])
    with pytest.raises(BadSettings, match=r"pictures\.prefixes"):
        Fetcher(limits).read("s3://bucket/a.jpg")
