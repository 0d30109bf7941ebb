"""A real Milvus 2.3.5 server: the program of the `milvus` wheel, with a directory and ports of its own.

Of its ports only etcd's keep to loopback; 2.3.5 opens the others on every interface. So it asks for a token.
"""

import http.client
import logging
import re
import secrets
from contextlib import closing
from pathlib import Path

import grpc
from pymilvus import CollectionSchema, DataType, MilvusClient, MilvusException

from deploy.local import wheel
from deploy.local.daemon import Daemon, DaemonServer, choose_ports, noted
from vitrine.errors import BadInput
from vitrine.storage import require_writable

WARNING = (
    f"Milvus {wheel.VERSION} listens on every interface of this machine, and its inner ports ask for no token: "
    "use it only in a network that you trust"
)
NAME = "Milvus"
START_S = 180.0
_CALL_S = 5.0
_TELLING = re.compile(r"\[ERROR\]|\[FATAL\]|^panic: |^fatal error: ")
_PROBE = "vitrine_local_probe"
_FIRST_PASSWORD = "Milvus"  # noqa: S105  # what every new Milvus has


class Server(DaemonServer):
    """A Milvus server. After a restart, collections that were loaded load again by themselves, some seconds later.

    `uri` and `token_file` are for the settings of those names. Only its owner can read the token.
    """

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon)
        self.uri = f"http://127.0.0.1:{daemon.ports[0]}"
        self.token_file = daemon.place / "token"

    def launch(self, *, leashed: bool) -> None:
        """Run the program and wait until it answers; see `start`."""
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it prints what it raises, and here that is polling
        program = wheel.program()
        environment = wheel.environment(program, self.place, self.ports[-1])
        self._daemon.run([program, "run", "standalone"], environment, leashed=leashed)
        self._daemon.wait(lambda: self._healthy() and self._admits_root(), START_S, telling=_TELLING)

    def _healthy(self) -> bool:
        with closing(http.client.HTTPConnection("127.0.0.1", self.ports[-1], timeout=_CALL_S)) as connection:
            try:
                connection.request("GET", "/healthz")
                return connection.getresponse().read() == b"OK"
            except (OSError, http.client.HTTPException):
                return False

    def _admits_root(self) -> bool:
        """Whether calls with the token are answered; the first time the password is changed to the token's."""
        token = self.token_file.read_text()
        if self._answers(token):
            return True
        password = token.removeprefix("root:")
        return self._answers(f"root:{_FIRST_PASSWORD}", new_password=password) and self._answers(token)

    def _answers(self, token: str, new_password: str = "") -> bool:
        try:
            with closing(MilvusClient(self.uri, token=token, timeout=_CALL_S, dedicated=True)) as client:
                if new_password:
                    client.update_password("root", _FIRST_PASSWORD, new_password)
                else:
                    # After a restart this is answered later than reads are.
                    client.create_collection(_PROBE, schema=_probe_schema(), timeout=_CALL_S)
                    client.drop_collection(_PROBE, timeout=_CALL_S)
                return True
        except (MilvusException, grpc.RpcError):
            return False


def start(place: Path, *, port: int | None = None, leashed: bool = True) -> Server:
    """Start a server on a directory, which is made if it is not there, and wait until it answers.

    `port` is that of its address, a free one by default. A `leashed` server ends with the thread that started it.

    Raises:
        BadInput: no wheel, a server on this directory already, a directory that cannot be written, a taken port.
        Unavailable: it ended, or did not answer in 180 s; the text shows the end of its log.
    """
    earlier = noted(NAME, place)
    if earlier and earlier.alive():
        raise BadInput(f"a Milvus server already runs on {place}")
    require_writable(str(place), "the server's directory")
    place.chmod(0o700)
    server = Server(
        Daemon(NAME, place, choose_ports(wheel.PORTS, first=port, earlier=earlier.ports if earlier else []))
    )
    wheel.write_settings(server.place, server.ports)
    if not server.token_file.exists():
        aside = place / "token.aside"
        aside.touch(0o600)
        aside.write_text(f"root:{secrets.token_urlsafe(24)}")
        aside.replace(server.token_file)
    server.launch(leashed=leashed)
    return server


def find(place: Path) -> Server | None:
    """The server that was started on a directory, if it runs.

    Raises:
        BadInput: what was noted about it cannot be read.
    """
    daemon = noted(NAME, place)
    return Server(daemon) if daemon and daemon.alive() else None


def _probe_schema() -> CollectionSchema:
    schema = MilvusClient.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    return schema
