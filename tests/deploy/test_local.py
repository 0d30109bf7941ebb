import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from pymilvus import MilvusClient, MilvusException

from deploy.local import kafka, milvus, ports, wheel
from deploy.local.__main__ import KAFKA_PORT, PORT, STACK
from deploy.local.milvus import Server
from deploy.local.process import Process
from vitrine import flags
from vitrine.errors import BadInput, Unavailable

ROOT = Path(__file__).resolve().parents[2]
SOON_S = 60.0


def until(condition: Callable[[], Any], deadline_s: float = SOON_S) -> Any:
    """What the condition says once it is true; the test fails if that takes too long."""
    end = time.monotonic() + deadline_s
    while not (answer := condition()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.1)
    return answer


def ask(server: Server, token: str | None = None) -> MilvusClient:
    token = server.token_file.read_text() if token is None else token
    return closing(MilvusClient(server.uri, token=token, timeout=10, dedicated=True))  # type: ignore[return-value]


def fill(server: Server, collection: str, rows: int) -> None:
    with ask(server) as client:
        client.create_collection(collection, dimension=2)
        client.insert(collection, [{"id": number, "vector": [number, 1.0]} for number in range(rows)])


def count(server: Server, collection: str) -> int:
    """Rows of the collection; 0 while it cannot be read yet."""
    try:
        with ask(server) as client:
            found = client.query(collection, output_fields=["count(*)"], consistency_level="Strong", timeout=5)
            return found[0]["count(*)"]
    except (MilvusException, grpc.RpcError):
        return 0


@pytest.fixture
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def second_server(milvus_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = milvus.start(tmp_path_factory.mktemp("second"))
    yield server
    server.stop()


def run(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_two_servers_stand_side_by_side_and_know_nothing_of_each_other(
    milvus_server: Server, second_server: Server
) -> None:
    assert not set(milvus_server.ports) & set(second_server.ports)
    fill(second_server, "only_in_the_second", rows=1)
    with ask(milvus_server) as first, ask(second_server) as second:
        assert not first.has_collection("only_in_the_second")
        assert second.has_collection("only_in_the_second")


@pytest.mark.parametrize("token", ["", "root:Milvus", "root:guess"])
def test_a_server_answers_only_to_its_token(milvus_server: Server, token: str) -> None:
    assert milvus_server.token_file.stat().st_mode & 0o777 == 0o600
    with pytest.raises((MilvusException, grpc.RpcError)), ask(milvus_server, token) as client:
        client.list_collections()


def test_a_killed_server_starts_again_with_its_rows_token_and_ports(second_server: Server) -> None:
    fill(second_server, "kept", rows=500)
    before = second_server.process
    second_server.kill()
    assert not second_server.alive()
    second_server.restart()
    assert second_server.alive()
    assert second_server.process != before
    assert until(lambda: count(second_server, "kept")) == 500


def test_a_directory_has_one_server_at_a_time(milvus_server: Server) -> None:
    with pytest.raises(BadInput, match="already runs"):
        milvus.start(milvus_server.place)


def test_a_leashed_server_ends_with_its_starter(tmp_path: Path) -> None:
    program = "import os, sys; from pathlib import Path; from deploy.local import milvus\n"
    program += "milvus.start(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=False)
    noted = json.loads((tmp_path / "server.json").read_text())
    until(lambda: not Process(noted["id"], noted["began"]).alive())


def test_the_stack_comes_up_once_serves_the_settings_file_and_goes_down_alone(
    milvus_server: Server, kafka_server: kafka.Server, tmp_path: Path, stranger: "subprocess.Popen[bytes]"
) -> None:
    port, kafka_port = ports.free_block(2)
    up_there = ["deploy.local", "up", "--port", str(port), "--kafka-port", str(kafka_port)]
    try:
        up = run(*up_there, cwd=tmp_path)
        assert up.returncode == 0, up.stderr
        assert f"http://127.0.0.1:{port}" in up.stdout
        assert milvus.WARNING in up.stdout
        token_file = tmp_path / STACK / "milvus" / "token"
        assert f"--milvus.uri=http://127.0.0.1:{port} --milvus.token_file={token_file}" in up.stdout
        assert f"--kafka.bootstrap=127.0.0.1:{kafka_port}" in up.stdout
        again = run(*up_there, cwd=tmp_path)
        assert again.stdout == up.stdout
        config = ["--config", str(ROOT / "deploy" / "local.toml"), f"--milvus.uri=http://127.0.0.1:{port}"]
        looked = run("vitrine", "status", *config, cwd=tmp_path)
        assert looked.stderr == ""
        examined = run("vitrine", "doctor", *config, f"--kafka.bootstrap=127.0.0.1:{kafka_port}", cwd=tmp_path)
        for topic in ("listings", "listings.dlq"):
            assert f"topic {topic} has 4 partitions" in examined.stdout
        server = milvus.find(tmp_path / STACK / "milvus")
        assert server
        broker = kafka.find(tmp_path / STACK / "kafka")
        assert broker
    finally:
        down = run("deploy.local", "down", cwd=tmp_path)
    assert "milvus is down" in down.stdout
    assert "kafka is down" in down.stdout
    assert not server.alive()
    assert not broker.alive()
    assert milvus_server.alive()
    assert kafka_server.alive()
    assert stranger.poll() is None
    assert run("deploy.local", "status", cwd=tmp_path).returncode == 1


def test_a_stranger_that_got_the_server_s_id_is_left_alone(tmp_path: Path, stranger: "subprocess.Popen[bytes]") -> None:
    place = tmp_path / STACK / "milvus"
    place.mkdir(parents=True)
    noted = {"id": stranger.pid, "began": Process.of(stranger.pid).began - 1, "ports": [1]}
    (place / "server.json").write_text(json.dumps(noted))
    assert run("deploy.local", "down", cwd=tmp_path).stdout == "milvus was not running\nkafka was not running\n"
    assert milvus.find(place) is None
    assert stranger.poll() is None


def test_a_process_is_killed_once_and_a_zombie_counts_as_ended(stranger: "subprocess.Popen[bytes]") -> None:
    process = Process.of(stranger.pid)
    assert process.alive()
    assert process.kill()
    assert not process.alive()
    assert not process.kill()
    assert stranger.wait() == -signal.SIGKILL
    assert not process.kill()
    with pytest.raises(ProcessLookupError):
        Process.of(stranger.pid)


def test_the_settings_file_names_the_stack() -> None:
    settings = flags.load(["--config", str(ROOT / "deploy" / "local.toml")], program="test", story="")
    assert settings.milvus.uri == f"http://127.0.0.1:{PORT}"
    assert settings.milvus.token_file == STACK / "milvus" / "token"
    assert settings.kafka.bootstrap == [f"127.0.0.1:{KAFKA_PORT}"]


def test_the_example_of_a_shop_s_own_servers_is_made_of_settings() -> None:
    settings = flags.load(["--config", str(ROOT / "deploy" / "prod.toml")], program="test", story="")
    assert settings.kafka.security_protocol == "SASL_SSL"


def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("deploy.local", "up", "--port", str(port), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"vitrine: port {port} is taken: end what listens there, or choose another port\n"
    assert milvus.find(tmp_path / STACK / "milvus") is None


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="the server's directory"):
        milvus.start(tmp_path / "file" / "milvus")


def test_a_server_that_ends_at_once_shows_its_last_words_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "etcd.data").touch()
    with pytest.raises(Unavailable, match=r"(?s)ended while it started: .*etcd\.data/.* not a directory") as raised:
        milvus.start(tmp_path)
    assert "panic" in str(raised.value)
    assert milvus.find(tmp_path) is None


def test_a_note_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text("{")
    with pytest.raises(BadInput, match=r"server\.json cannot be read"):
        milvus.find(tmp_path)


def test_without_the_wheel_the_install_line_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "milvus", None)
    with pytest.raises(BadInput, match=r"pip install 'vitrine\[local\]'"):
        wheel.program()
