"""A server with the REST import jobs of Milvus 2.6, built from its documentation, and with faults on demand.

https://milvus.io/api-reference/restful/v2.6.x/v2/Import%20(v2)/Create.md and Describe.md beside it.
"""

import json
import ssl
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

TOKEN = "root:secret"


class Stand:
    """What the stand-in keeps: `bucket` is the directory in the place of the server's bucket.

    Each job is pending, then importing, then ends, one step each time it is asked for; `held` jobs stay as they are.
    Entries of `faults` are spent first, one a call: a status, a pair of status and body, or `hang`.
    """

    def __init__(self, bucket: Path) -> None:
        self.bucket = bucket
        self.collections = {"shop__1"}
        self.faults: deque[Any] = deque()
        self.held = False
        self.asked: Counter[str] = Counter()
        self.created: list[dict[str, Any]] = []
        self.uri = ""
        self.released = threading.Event()
        self._steps: list[int] = []

    def create(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["collectionName"] not in self.collections:
            return {"code": 100, "message": f"collection not found[collection={asked['collectionName']}]"}
        if len(asked["files"]) > 1024:
            return {"code": 2100, "message": "The max number of import files should not exceed 1024"}
        if any(len(group) != 1 for group in asked["files"]):
            return {"code": 2100, "message": "for Parquet files, accepts only one file per group"}
        self.created.append(asked)
        self._steps.append(0)
        return {"code": 0, "data": {"jobId": str(len(self.created))}}

    def describe(self, asked: dict[str, Any]) -> dict[str, Any]:
        number = int(asked["jobId"]) - 1
        if not 0 <= number < len(self.created):
            return {
                "code": 2100,
                "message": f"import job does not exist, jobID={asked['jobId']}: importing data failed",
            }
        self._steps[number] += not self.held
        paths = [self.bucket / path for [path] in self.created[number]["files"]]
        job = {"jobId": asked["jobId"], "collectionName": self.created[number]["collectionName"]}
        if missing := [path.name for path in paths if not path.is_file()]:
            return {"code": 0, "data": job | {"state": "Failed", "reason": f"{missing[0]}: key\n does not exist"}}
        rows = sum(pq.read_metadata(path).num_rows for path in paths)
        state, percent, read = [
            ("Pending", 0, 0),
            ("Importing", 50, rows // 2),
            ("Completed", 100, rows),
        ][min(max(self._steps[number] - 1, 0), 2)]
        told = {"state": state, "progress": percent, "importedRows": read, "totalRows": rows}
        return {"code": 0, "data": job | told}

    def answer(self, path: str, headers: Any, asked: dict[str, Any]) -> tuple[int, bytes]:
        verb = path.rpartition("/")[2]
        self.asked[verb] += 1
        fault = self.faults.popleft() if self.faults else None
        if fault == "hang":
            self.released.wait()
        elif fault is not None:
            return fault if isinstance(fault, tuple) else (fault, b"upstream connect error")
        if headers["Authorization"] != f"Bearer {TOKEN}":
            return 401, b'{"code": 1800, "message": "user hasn\'t authenticated"}'
        if not path.startswith("/v2/vectordb/jobs/import/") or verb not in {"create", "describe"}:
            return 404, b"404 page not found"
        return 200, json.dumps(getattr(self, verb)(asked)).encode()


@contextmanager
def serving(stand: Stand, tls: ssl.SSLContext | None = None) -> Iterator[Stand]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = stand.answer(self.path, self.headers, asked)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a client that gave up is what some tests are about

    server = Quiet(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    stand.uri = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    try:
        yield stand
    finally:
        stand.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
