"""What only a real server has: certificates, tokens, outages."""

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import trustme
from pymilvus import MilvusClient

from deploy.local import milvus
from deploy.local.milvus import Server
from vitrine.errors import BadInput, Unavailable, VitrineError
from vitrine.index import schema
from vitrine.index.rows import Row
from vitrine.index.store import Store, connect
from vitrine.retry import again
from vitrine.settings import Milvus

Front = Callable[[ssl.SSLContext], str]

SHOP = schema.pictures(2)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def front(milvus_server: Server) -> Iterator[Front]:
    """`front(context)` is the https:// address of a door to the real server."""
    threads, loops = [], []

    def open_door(context: ssl.SSLContext) -> str:
        context.set_alpn_protocols(["h2"])
        opened: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()
        threads.append(threading.Thread(target=asyncio.run, args=(door(context, milvus_server.ports[0], opened),)))
        threads[-1].start()
        loop, ended, port = opened.result(timeout=10)
        loops.append((loop, ended))
        return f"https://localhost:{port}"

    yield open_door
    for loop, ended in loops:
        loop.call_soon_threadsafe(ended.set)
    for thread in threads:
        thread.join(timeout=10)


async def door(context: ssl.SSLContext, port: int, opened: Future) -> None:
    ended = asyncio.Event()
    listening = await asyncio.start_server(partial(relay, port), "127.0.0.1", 0, ssl=context)
    opened.set_result((asyncio.get_running_loop(), ended, listening.sockets[0].getsockname()[1]))
    await ended.wait()
    listening.close()


async def relay(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(pump(reader, server_writer), pump(server_reader, writer), return_exceptions=True)


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()


def shown(authority: trustme.CA, name: str) -> ssl.SSLContext:
    """What a server shows whose certificate is for that name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def written(place: Path, name: str, *blobs: trustme.Blob) -> Path:
    path = place / name
    path.write_bytes(b"".join(blob.bytes() for blob in blobs))
    return path


@pytest.fixture
def ca_file(tmp_path: Path, authority: trustme.CA) -> Path:
    return written(tmp_path, "ca.pem", authority.cert_pem)


def test_rows_go_to_and_fro_under_tls(on_server, front, authority, ca_file, picture):
    secured = on_server.model_copy(update={"uri": front(shown(authority, "localhost")), "ca_file": ca_file})

    with connect(secured) as store:
        store.create("shop__1", SHOP, description="facts")
        store.insert("shop__1", [picture("a/0", [1, 0])])
        assert store.count("shop__1") == 1
        assert store.description("shop__1") == "facts"


def test_a_certificate_may_have_another_name_if_the_settings_say_so(on_server, front, authority, ca_file):
    secured = on_server.model_copy(update={"uri": front(shown(authority, "milvus.shop")), "ca_file": ca_file})

    with pytest.raises(BadInput, match=r"certificate is not trusted: check milvus\.ca_file and milvus\.server_name$"):
        connect(secured)
    with connect(secured.model_copy(update={"server_name": "milvus.shop"})) as store:
        assert store.version().startswith("Milvus 2.3.5")


def test_a_certificate_that_another_authority_signed_is_refused_in_one_line(on_server, front, tmp_path, ca_file):
    uri = front(shown(trustme.CA(), "localhost"))

    done = cli("status", f"--milvus.uri={uri}", on_server=on_server, VITRINE_MILVUS__CA_FILE=str(ca_file))

    trouble = "its certificate is not trusted: check milvus.ca_file and milvus.server_name"
    assert done.stderr == f"vitrine: connecting to {uri}: {trouble}\n"
    assert done.returncode == 1


def test_a_server_that_asks_for_a_certificate_is_shown_ours(on_server, front, authority, ca_file, tmp_path):
    strict = shown(authority, "localhost")
    strict.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(strict)
    secured = on_server.model_copy(update={"uri": front(strict), "ca_file": ca_file, "timeout_s": 5.0})
    ours = authority.issue_cert("vitrine@shop.example")
    own = {
        "client_certificate_file": written(tmp_path, "own.pem", *ours.cert_chain_pems),
        "client_key_file": written(tmp_path, "own.key", ours.private_key_pem),
    }

    with connect(secured.model_copy(update=own)) as store:
        assert store.resolve("nothing") is None
    with pytest.raises(VitrineError):
        connect(secured)


def test_a_certificate_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"cannot read milvus\.ca_file .*absent\.pem: No such file"):
        connect(Milvus(uri="https://localhost:1", ca_file=tmp_path / "absent.pem"))


def test_a_wrong_token_is_told_in_one_line_without_it(on_server):
    done = cli("status", f"--milvus.uri={on_server.uri}", VITRINE_MILVUS__TOKEN="root:SeCrEt")

    assert done.returncode == 1
    assert done.stderr.startswith(f"vitrine: connecting to {on_server.uri}: ")
    assert done.stderr.endswith(": check milvus.token or milvus.token_file\n")
    assert done.stderr.count("\n") == 1
    assert "SeCrEt" not in done.stderr


def cli(*arguments: str, on_server: Milvus | None = None, **environment: str) -> "subprocess.CompletedProcess[str]":
    if on_server:
        environment["VITRINE_MILVUS__TOKEN_FILE"] = str(on_server.token_file)
    return subprocess.run(
        [sys.executable, "-m", "vitrine", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def calls(store: Store, name: str, row: Row) -> dict[str, Callable[[], object]]:
    query = np.ones((1, 2), dtype=np.float32)
    return {
        "count": lambda: store.count(name),
        "search": lambda: store.search(name, query, 1, fields=["image_id"]),
        "scan": lambda: list(store.scan(name, fields=["image_id"])),
        "insert": lambda: store.insert(name, [row]),
        "prepare": lambda: store.prepare(name),
        "pending": lambda: store.pending(name),
        "resolve": lambda: store.resolve("shop"),
        "create": lambda: store.create("shop__2", SHOP, description=""),
        "point": lambda: store.point("shop", name),
        "drop": lambda: store.drop(name),
        "version": store.version,
    }


def test_a_collection_that_another_program_released_is_loaded_again(on_server):
    theirs = MilvusClient(on_server.uri, token=on_server.secret(), dedicated=True)
    with connect(on_server) as ours, closing(theirs):
        ours.create("shop__1", SHOP, description="")
        assert ours.count("shop__1") == 0
        theirs.release_collection("shop__1")

        assert unavailable(lambda: ours.count("shop__1"))
        assert ours.count("shop__1") == 0


def test_a_frozen_server_is_unavailable_within_the_time_out(milvus_server, on_server, picture):
    with connect(on_server.model_copy(update={"timeout_s": 0.5})) as impatient, connect(on_server) as store:
        store.create("shop__1", SHOP, description="")
        assert store.count("shop__1") == impatient.count("shop__1") == 0
        os.kill(milvus_server.process.id, signal.SIGSTOP)
        try:
            answers = {
                name: unavailable(call) for name, call in calls(impatient, "shop__1", picture("a/0", [1, 0])).items()
            }
        finally:
            os.kill(milvus_server.process.id, signal.SIGCONT)
        assert all(answers.values()), answers
        # The row was sent, and may have been taken after the wait for it had ended.
        assert again(lambda: store.count("shop__1"), patience_s=60) in (0, 1)


@pytest.mark.slow
def test_a_killed_server_is_unavailable_until_it_is_back_with_every_row(tmp_path, picture):
    server = milvus.start(tmp_path)
    try:
        with connect(Milvus(uri=server.uri, token_file=server.token_file)) as store:
            store.create("shop__1", SHOP, description="")
            store.insert("shop__1", [picture(f"p{i}/0", [1, 0]) for i in range(300)])
            store.prepare("shop__1")
            store.insert("shop__1", [picture(f"q{i}/0", [1, 0]) for i in range(20)])
            assert store.count("shop__1") == 320

            server.kill()
            answers = {
                name: unavailable(call) for name, call in calls(store, "shop__1", picture("a/0", [1, 0])).items()
            }
            assert all(answers.values()), answers

            server.restart()
            assert again(lambda: store.count("shop__1"), patience_s=90) == 320
            again(lambda: store.prepare("shop__1"), patience_s=90)
            assert store.pending("shop__1") == 0
    finally:
        server.stop()


def unavailable(call: Callable[[], object]) -> bool:
    try:
        call()
    except Unavailable:
        return True
    return False
