"""Opening the database that the settings name: a Milvus Lite file inside this process, or a server."""

import logging
import os
from pathlib import Path
from typing import Any

from pymilvus import MilvusClient

from vitrine.errors import BadInput
from vitrine.index import lite
from vitrine.index.faults import translated
from vitrine.index.milvus import MilvusStore
from vitrine.index.store import Store
from vitrine.settings import Milvus

# Lite ends a connection that is pinged as often as pymilvus does by default, and there is none to lose.
_IN_PROCESS = {"grpc.enable_http_proxy": 0, "grpc.keepalive_time_ms": 2**31 - 1}


def open_store(milvus: Milvus) -> Store:
    """Open the database; see `vitrine.index.store.connect`."""
    # Both print an error, pymilvus with its traceback, before it is raised.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if not milvus.is_lite:
        return MilvusStore(_client(milvus, milvus.uri, token=milvus.secret(), **_certificates(milvus)), milvus)
    server = lite.start(milvus.uri)
    try:
        client = _client(milvus, server.address, grpc_options=_IN_PROCESS)
    except BaseException:
        server.stop()
        raise
    return MilvusStore(client, milvus, server)


def _client(milvus: Milvus, address: str, **options: Any) -> MilvusClient:
    with translated(f"connecting to {milvus.uri}"):
        return MilvusClient(address, timeout=milvus.timeout_s, dedicated=True, **options)


def _certificates(milvus: Milvus) -> dict[str, str]:
    """What pymilvus wants to be told of the certificates; empty means those that gRPC trusts by itself."""
    ca, own, key = (
        _readable(name, getattr(milvus, name)) for name in ("ca_file", "client_certificate_file", "client_key_file")
    )
    files = {"ca_pem_path": ca, "client_pem_path": own, "client_key_path": key} if own else {"server_pem_path": ca}
    return {**files, "server_name": milvus.server_name}


def _readable(setting: str, path: Path | None) -> str:
    try:
        if path:
            path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read milvus.{setting} {path}: {error.strerror}") from error
    return str(path or "")
