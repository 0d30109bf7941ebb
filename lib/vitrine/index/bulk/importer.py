"""The port to a server's bulk import, and the way to open the one that a server has."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from vitrine.index.bulk.versions import REST_SINCE, Version
from vitrine.settings import Milvus


class Phase(StrEnum):
    """How far an import job is."""

    PENDING = "pending"
    IMPORTING = "importing"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"
    """Failed since the server started anew meanwhile: another job may do better."""

    @property
    def ended(self) -> bool:
        """Whether the job writes no more."""
        return self in {Phase.DONE, Phase.FAILED, Phase.LOST}


@dataclass(frozen=True, slots=True)
class JobState:
    """What a server says of a job: rows read so far, percent done, and why it failed if it did."""

    phase: Phase
    rows: int = 0
    percent: int = 0
    reason: str = ""


class Importer(Protocol):
    """A server's bulk import.

    No call repeats itself, since a job that is asked for twice writes its rows twice. All raise Unavailable where
    asking again may help, BadInput where it will not.
    """

    @property
    def version(self) -> Version:
        """Which Milvus the server is."""
        ...

    @property
    def files_per_job(self) -> int:
        """Most files that one job reads."""
        ...

    def submit(self, collection: str, paths: Sequence[str]) -> str:
        """Have Parquet files imported, named as the server names them; returns the job's id at once."""
        ...

    def state(self, job: str) -> JobState:
        """How far a job is; one that the server does not know counts as failed."""
        ...


@contextmanager
def open_importer(milvus: Milvus) -> Iterator[Importer]:
    """The bulk import that the server at `milvus.uri` has: over gRPC before 2.4, over REST since.

    Raises:
        BadInput: the server does not say which version it is.
        Unavailable: it does not answer.
    """
    from vitrine.index.bulk import connections, over_grpc, over_rest

    with connections.channel(milvus) as opened:
        version = over_grpc.version(milvus, opened)
        if version < REST_SINCE:
            yield over_grpc.GrpcImporter(milvus, opened, version)
            return
    with connections.client(milvus) as client:
        yield over_rest.RestImporter(client, version, milvus.server_name)
