"""Import jobs of Milvus 2.3, over gRPC: one Parquet file a job.

pymilvus is on its way to drop the calls (`utility.do_bulk_insert` warns), and repeats a call whose answer was lost,
which would import a file twice. The protocol's own messages, which it ships as generated code, do neither.
"""

from collections.abc import Sequence

import grpc
from pymilvus import MilvusException
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc

from vitrine.errors import BadInput
from vitrine.index.bulk import versions
from vitrine.index.bulk.connections import sending
from vitrine.index.bulk.importer import JobState, Phase
from vitrine.index.bulk.versions import Version
from vitrine.index.faults import REFUSED, translated
from vitrine.settings import Milvus

_PHASES = {
    common_pb2.ImportPending: Phase.PENDING,
    common_pb2.ImportCompleted: Phase.DONE,
    common_pb2.ImportFailed: Phase.FAILED,
    common_pb2.ImportFailedAndCleaned: Phase.FAILED,
}
_RESTARTED = "service restarted"
"""What 2.3 says of jobs that it finds unfinished when it starts; there is no code for it."""


def version(milvus: Milvus, opened: grpc.Channel) -> Version:
    """Which Milvus it is.

    Raises:
        BadInput: it does not say so in a way that is known.
    """
    calls = milvus_pb2_grpc.MilvusServiceStub(opened)
    with translated(f"asking {milvus.uri} for its version"):
        answer = calls.GetVersion(milvus_pb2.GetVersionRequest(), **sending(milvus))
        _check(answer.status)
    return versions.parse(answer.version)


class GrpcImporter:
    """See `Importer`."""

    files_per_job = 1

    def __init__(self, milvus: Milvus, opened: grpc.Channel, version: Version) -> None:
        self.version = version
        self._milvus = milvus
        self._calls = milvus_pb2_grpc.MilvusServiceStub(opened)

    def submit(self, collection: str, paths: Sequence[str]) -> str:
        """See `Importer.submit`."""
        asked = milvus_pb2.ImportRequest(collection_name=collection, files=paths)
        with translated(f"importing {', '.join(paths)} into {collection} at {self._milvus.uri}"):
            answer = self._calls.Import(asked, **sending(self._milvus))
            _check(answer.status)
        if not answer.tasks:
            raise BadInput(f"importing into {collection} at {self._milvus.uri}: the server gave no job id")
        return str(answer.tasks[0])

    def state(self, job: str) -> JobState:
        """See `Importer.state`."""
        asked = milvus_pb2.GetImportStateRequest(task=int(job))
        try:
            with translated(f"asking {self._milvus.uri} for import job {job}"):
                answer = self._calls.GetImportState(asked, **sending(self._milvus))
                _check(answer.status)
        except BadInput as error:
            if not is_about_the_job(error):
                raise
            return JobState(Phase.FAILED, reason=str(error))
        told = {pair.key: pair.value for pair in answer.infos}
        phase, reason = _PHASES.get(answer.state, Phase.IMPORTING), told.get("failed_reason", "")
        return JobState(
            Phase.LOST if phase is Phase.FAILED and _RESTARTED in reason else phase,
            rows=answer.row_count,
            percent=int(told.get("progress_percent") or 0),
            reason=reason,
        )


def is_about_the_job(error: BadInput) -> bool:
    """Whether the server itself said it, and of the job: nothing on the way did, and the caller is let in."""
    said = error.__cause__
    return isinstance(said, MilvusException) and said.__cause__ is None and said.code not in REFUSED


def _check(status: common_pb2.Status) -> None:
    if status.code or status.error_code:
        raise MilvusException.from_status(status)
