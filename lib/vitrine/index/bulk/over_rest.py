"""Import jobs of Milvus 2.4 and later, over REST: https://milvus.io/api-reference/restful/v2.6.x/v2/Import%20(v2)/Create.md."""

from collections.abc import Sequence
from typing import Any

import httpx
from pymilvus import MilvusException

from vitrine.errors import BadInput
from vitrine.index.bulk.importer import JobState, Phase
from vitrine.index.bulk.over_grpc import is_about_the_job
from vitrine.index.bulk.versions import Version
from vitrine.index.faults import translated

FILES_PER_JOB = 1024
"""Most files that Milvus takes in one request (`dataCoord.import.maxImportFileNumPerReq`)."""

_PHASES = {"Pending": Phase.PENDING, "Completed": Phase.DONE, "Failed": Phase.FAILED}
_UNREACHED, _UNAUTHENTICATED = 2, 1800
"""Milvus' codes for what HTTP says by itself."""


class RestImporter:
    """See `Importer`; `server_name` is that in the server's certificate, where it is not that of the address."""

    files_per_job = FILES_PER_JOB

    def __init__(self, client: httpx.Client, version: Version, server_name: str = "") -> None:
        self.version = version
        self._extensions = {"sni_hostname": server_name} if server_name else {}
        self._client = client

    def submit(self, collection: str, paths: Sequence[str]) -> str:
        """See `Importer.submit`."""
        found = self._call("create", {"collectionName": collection, "files": [[path] for path in paths]})
        if "jobId" not in found:
            raise BadInput(f"import/create at {self._client.base_url}: the server gave no job id")
        return str(found["jobId"])

    def state(self, job: str) -> JobState:
        """See `Importer.state`."""
        try:
            found = self._call("describe", {"jobId": job})
        except BadInput as error:
            if not is_about_the_job(error):
                raise
            return JobState(Phase.FAILED, reason=str(error))
        return JobState(
            _PHASES.get(found.get("state", ""), Phase.IMPORTING),
            rows=int(found.get("importedRows") or 0),
            percent=int(found.get("progress") or 0),
            reason=str(found.get("reason") or ""),
        )

    def _call(self, verb: str, asked: dict[str, Any]) -> dict[str, Any]:
        with translated(f"import/{verb} at {self._client.base_url}"):
            try:
                answer = self._client.post(f"/v2/vectordb/jobs/import/{verb}", json=asked, extensions=self._extensions)
            except httpx.TransportError as error:
                raise MilvusException(_UNREACHED, str(error) or type(error).__name__) from error
            return _data(answer)


def _data(answer: httpx.Response) -> dict[str, Any]:
    status = answer.status_code
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.TOO_MANY_REQUESTS:
        raise MilvusException(_UNREACHED, f"HTTP {status}")
    try:
        said = answer.json()
        code, message, data = int(said["code"]), str(said.get("message", "")), dict(said.get("data") or {})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise MilvusException(_UNAUTHENTICATED, f"HTTP {status}") from error
        raise BadInput(f"{answer.url}: HTTP {status}, which is no answer of Milvus") from error
    if code:
        raise MilvusException(code, message)
    return data
