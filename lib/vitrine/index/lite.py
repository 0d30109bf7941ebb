"""Milvus Lite: the database that lives in a directory and inside this process."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from milvus_lite.adapter.grpc.server import start_server_in_thread
from milvus_lite.exceptions import DataDirLockedError, MilvusLiteError

from vitrine.errors import BadSettings, Unavailable
from vitrine.index.store import Found

COLLECTIONS = "collections"
STOP_S = 2.0
WIDER = 8


@dataclass(frozen=True, slots=True)
class Server:
    """A running Milvus Lite; nobody else can open its directory until it is stopped."""

    address: str
    _grpc: Any
    _database: Any

    def stop(self) -> None:
        """Write what is in memory and let go of the directory; a second call does nothing."""
        self._grpc.stop(grace=STOP_S).wait()
        self._database.close()


def version() -> str:
    """What is there, for people."""
    return f"Milvus Lite {metadata.version('milvus-lite')}"


def start(path: str) -> Server:
    """Serve the database at `path`, which is made if it is not there.

    Raises:
        BadSettings: there is something else at the path, or it cannot be written.
        Unavailable: another program, or another connection of this one, has it open.
    """
    place = Path(path)
    if place.exists() and not _is_database(place):
        raise BadSettings(f"milvus.uri: {path} is not a Milvus Lite 3 database: name one, or a path that is free")
    try:
        server, database, port = start_server_in_thread(str(place.absolute()))
    except DataDirLockedError as error:
        raise Unavailable(
            f"{path} is open in another program or connection, and Milvus Lite allows one at a time: "
            "wait until it ends, or use a Milvus server"
        ) from error
    except (OSError, MilvusLiteError) as error:
        raise BadSettings(f"milvus.uri: cannot open {path}: {error}") from error
    return Server(f"http://127.0.0.1:{port}", server, database)


def filtered(
    look: Callable[[int, int], list[list[Found]]], limit: int, *, rows: Callable[[], int]
) -> list[list[Found]]:
    """The best rows that pass a filter; `look` takes a limit and how many rows the index may look at.

    Lite's HNSW looks at `ef` rows and keeps those that match, so that a narrow filter finds few or none.
    It looks wider until `limit` of those it saw match, as many as a search without a filter compares.
    """
    found = look(limit, limit)
    seen, total = limit, 0
    while any(len(hits) < limit for hits in found) and seen < (total := total or rows()):
        seen = min(seen * WIDER, total)
        found = look(limit, seen)
    return found


def _is_database(place: Path) -> bool:
    if not place.is_dir():
        return False
    names = {entry.name for entry in place.iterdir()}
    return not names or COLLECTIONS in names
