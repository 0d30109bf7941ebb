"""A real Kafka broker, one process in KRaft mode, on loopback only, with a directory and ports of its own."""

import os
import re
import secrets
import socket
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local import jars
from deploy.local.daemon import Daemon, DaemonServer, choose_ports, noted
from vitrine.errors import BadInput, Unavailable
from vitrine.storage import require_writable

NAME = "Kafka"
START_S = 180.0
_PORTS = 2
_CALL_S = 5.0
_TELLING = re.compile(r"ERROR|FATAL|Exception")
_PROPERTIES = "server.properties"
_FORMATTED = "data/meta.properties"
# Less of the compiler and of the collector: half the CPU time of a start.
_OPTIONS = ("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
_LOGGING = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")


class Server(DaemonServer):
    """A broker; `bootstrap` is for the setting of that name: host:port without encryption or password."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon)
        self.bootstrap = f"127.0.0.1:{daemon.ports[0]}"

    def launch(self, *, leashed: bool) -> None:
        """Run the broker and wait until it answers; see `start`."""
        command = [*_java(), "kafka.Kafka", _PROPERTIES]
        self._daemon.run(command, _environment(), leashed=leashed)
        self._daemon.wait(self._answers, START_S, telling=_TELLING)

    def _answers(self) -> bool:
        host, port = self.bootstrap.split(":")
        try:
            socket.create_connection((host, int(port)), timeout=_CALL_S).close()
        except OSError:
            return False
        return True


def start(
    place: Path,
    *,
    port: int | None = None,
    leashed: bool = True,
    properties: Mapping[str, str] | None = None,
    format_arguments: Sequence[str] = (),
) -> Server:
    """Start a broker on a directory, which is made if it is not there, and wait until it answers.

    `port` is that of its address, a free one by default. A `leashed` broker ends with the thread that started it.
    `properties` are Kafka's own and stand above ours; listeners that they name come beside the plain one.
    `format_arguments` are further ones of Kafka's `StorageTool format`, for a directory without data.

    Raises:
        BadInput: no Java or Maven, a broker on this directory already, a directory that cannot be written, or a port
            that is taken.
        Unavailable: it ended, or did not answer in 180 s; the text shows the end of its log.
    """
    earlier = noted(NAME, place)
    if earlier and earlier.alive():
        raise BadInput(f"a Kafka broker already runs on {place}")
    require_writable(str(place), "the broker's directory")
    place.chmod(0o700)
    daemon = Daemon(NAME, place, choose_ports(_PORTS, first=port, earlier=earlier.ports if earlier else []))
    _write_properties(daemon, properties or {})
    if not (daemon.place / _FORMATTED).exists():
        _format(daemon.place, format_arguments)
    server = Server(daemon)
    server.launch(leashed=leashed)
    return server


def find(place: Path) -> Server | None:
    """The broker that was started on a directory, if it runs.

    Raises:
        BadInput: what was noted about it cannot be read.
    """
    daemon = noted(NAME, place)
    return Server(daemon) if daemon and daemon.alive() else None


def _java() -> list[str]:
    class_path = jars.class_path()
    return [jars.java() or "java", *_OPTIONS, *_LOGGING, "-cp", class_path]


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME", "LANG") if name in os.environ}


def _write_properties(daemon: Daemon, further: Mapping[str, str]) -> None:
    port, controller = daemon.ports
    listener, quorum = f"PLAINTEXT://127.0.0.1:{port}", f"127.0.0.1:{controller}"
    more = further.get("listeners", "")
    ours = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.bootstrap.servers": quorum,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": str(daemon.place / "data"),
        "num.partitions": "4",
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "broker.session.timeout.ms": "3000",  # how long a killed broker counts as present, which a restart waits for
        "broker.heartbeat.interval.ms": "500",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",  # tests have members that are gone after a second
        "message.max.bytes": "8388608",
        **further,
        "listeners": ",".join(filter(None, (listener, f"CONTROLLER://{quorum}", more))),
        "advertised.listeners": ",".join(filter(None, (listener, more))),
    }
    (daemon.place / _PROPERTIES).write_text("".join(f"{name}={value}\n" for name, value in ours.items()))


def _format(place: Path, arguments: Sequence[str]) -> None:
    # The first letter is fixed: an id that began with - would be taken for an option.
    cluster = urlsafe_b64encode(b"vit" + secrets.token_bytes(13)).decode().rstrip("=")
    command = [*_java(), "kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, "-c", _PROPERTIES]
    done = subprocess.run(
        [*command, *arguments],
        cwd=place,
        env=_environment(),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=START_S,
    )
    if done.returncode:
        raise Unavailable(f"Kafka could not make its directory {place}: {(done.stdout + done.stderr)[-500:]}")
