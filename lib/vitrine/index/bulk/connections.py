"""How the two kinds of import jobs are reached: address, token and certificates."""

import base64
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import grpc
import httpx

from vitrine.errors import BadInput
from vitrine.settings import Milvus

PORT = 19530
TLS_PORT = 443


@contextmanager
def channel(milvus: Milvus) -> Iterator[grpc.Channel]:
    """A gRPC connection to the server, encrypted where the address is https://."""
    address = urlsplit(milvus.uri)
    if address.scheme == "https":
        credentials = grpc.ssl_channel_credentials(
            _content("ca_file", milvus.ca_file),
            _content("client_key_file", milvus.client_key_file),
            _content("client_certificate_file", milvus.client_certificate_file),
        )
        name = [("grpc.ssl_target_name_override", milvus.server_name)] if milvus.server_name else []
        opened = grpc.secure_channel(_target(address, TLS_PORT), credentials, options=name)
    else:
        opened = grpc.insecure_channel(_target(address, PORT))
    with opened:
        yield opened


def _target(address: SplitResult, port: int) -> str:
    host = str(address.hostname)
    return f"[{host}]:{address.port or port}" if ":" in host else f"{host}:{address.port or port}"


def sending(milvus: Milvus) -> dict[str, Any]:
    """What goes with each gRPC call."""
    token = milvus.secret()
    metadata = [("authorization", base64.b64encode(token.encode()).decode())] if token else []
    return {"timeout": milvus.timeout_s, "metadata": metadata}


def client(milvus: Milvus) -> httpx.Client:
    """What speaks REST to the server; close it, or use it in a `with` statement."""
    address = urlsplit(milvus.uri)
    base = milvus.uri if address.port or address.scheme == "https" else f"{milvus.uri.rstrip('/')}:{PORT}"
    token = milvus.secret()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=base, headers=headers, timeout=milvus.timeout_s, verify=_trust(milvus))


def _trust(milvus: Milvus) -> ssl.SSLContext | bool:
    if milvus.ca_file is None:
        return True
    try:
        context = ssl.create_default_context(cafile=milvus.ca_file)
        if milvus.client_certificate_file:
            context.load_cert_chain(milvus.client_certificate_file, milvus.client_key_file)
    except OSError as error:
        raise BadInput(f"cannot use the certificates of milvus.ca_file and its like: {error.strerror}") from error
    return context


def _content(setting: str, path: Path | None) -> bytes | None:
    try:
        return path.read_bytes() if path else None
    except OSError as error:
        raise BadInput(f"cannot read milvus.{setting} {path}: {error.strerror}") from error
