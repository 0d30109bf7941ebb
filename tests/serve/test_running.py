"""The service as a program: its command, certificate and end."""

import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import trustme

from tests.serve.conftest import ALIAS, filled
from vitrine.client import Client
from vitrine.errors import BadInput
from vitrine.serve.running import serve, serving
from vitrine.settings import Serve, Settings
from vitrine.testing import FakeEmbedder


def client(pictures: list[bytes]) -> Client:
    return Client(filled(pictures), ALIAS, lambda model_id: FakeEmbedder())


def test_with_a_certificate_it_speaks_https(drawn_pictures: list[bytes], tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    settings = Settings(serve=Serve(port=0, certificate_file=certificate, certificate_key_file=key))
    with serving(settings, open_client=lambda: client(drawn_pictures)) as url:
        assert url.startswith("https://127.0.0.1:")
        assert httpx.get(f"{url}/ready", verify=trusting).json() == {"status": "ok"}


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    absent = tmp_path / "absent.pem"
    with pytest.raises(BadInput, match=r"no file .*absent\.pem: check serve\.certificate_file"):
        serve(Settings(serve=Serve(port=0, certificate_file=absent, certificate_key_file=absent)), told=print)


def test_the_client_is_closed_with_the_service(drawn_pictures: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    monkeypatch.setattr(Client, "close", lambda self: closed.append(True))
    with serving(Settings(serve=Serve(port=0)), open_client=lambda: client(drawn_pictures)):
        assert not closed
    assert closed == [True]


def vitrine(*arguments: str, **more: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "vitrine", "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more},
    )


def test_help_names_its_settings_by_short_flags() -> None:
    out, err = vitrine("--help").communicate(timeout=120)
    assert "--keys_file=TEXT" in out
    assert "--milvus.uri=TEXT" in out
    assert err == ""


@pytest.mark.parametrize(
    ("flags", "code", "line"),
    [
        (["--colour=red"], 2, "vitrine: unknown setting colour; see --help"),
        (
            ["--port=0", "--milvus.uri=absent.db"],
            1,
            "vitrine: there is no database absent.db: run jobs/reindex.py first",
        ),
        (["--port=0", "--thumbnails.uri=ftp://host/x"], 1, "vitrine: cannot open ftp://host/x"),
        (["--port=0", "--public_page"], 2, "public_page is for a service with keys_file"),
        (
            ["--keys_file=absent", "--port=0", "--milvus.uri=absent.db"],
            1,
            "vitrine: cannot read serve.keys_file absent",
        ),
    ],
)
def test_what_is_wrong_is_one_line(flags: list[str], code: int, line: str) -> None:
    program = vitrine(*flags)
    _, err = program.communicate(timeout=120)
    assert program.returncode == code
    assert line in err
    assert len(err.splitlines()) == 1


def test_an_address_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        program = vitrine(f"--port={taken.getsockname()[1]}")
        _, err = program.communicate(timeout=120)
    assert program.returncode == 1
    assert "Address already in use" in err
    assert len(err.splitlines()) == 1
