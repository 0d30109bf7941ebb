"""`python -m streaming` as a process."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streaming.__main__ import main
from tests.streaming.plumbing import eventually
from tests.streaming.serving import dead_letters, publish
from vitrine import broker
from vitrine.events import ListingEvent, Message, carried, encode, sha256
from vitrine.index import collections
from vitrine.index.collections import Facts
from vitrine.index.store import connect
from vitrine.rendering import draw, gif, jpeg, look
from vitrine.settings import Kafka, Milvus, Model
from vitrine.vision.weights import resolve

ROOT = Path(__file__).resolve().parents[2]
FAULTY_PILLOW = ROOT / "tests" / "faulty_pillow"
PICTURE = jpeg(draw(look(1), size=64))
PATIENCE_S = 400.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Milvus]:
    """A Milvus Lite file with an empty view of the bundled model."""
    milvus = Milvus(uri=str(tmp_path / "vitrine.db"))
    spec = resolve(Model()).spec
    with connect(milvus) as store:
        made = collections.create(store, Facts("products", "a", spec.model_id, spec.dim, "2026-01-01T00:00:00+00:00"))
        for name in made.names:
            store.prepare(name)
        collections.swap(store, "products", made.name)
    return milvus


def test_help_tells_each_setting_of_the_stream(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for flag in ("--batch_size", "--member", "--settle_s", "--kafka.bootstrap", "--milvus.alias"):
        assert flag in said
    assert "--kafka.password=" not in said


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--batch_size", "0"], 2, "--batch_size"),
        (["--heartbeat_s", "40"], 2, "heartbeat_s must be at most a third of session_timeout_s"),
        (["--commit_every_s", "40"], 2, "commit_every_s must be at most a sixth"),
        ([], 2, "kafka.bootstrap"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(capsys, arguments, code, said):
    assert main(arguments) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


class Program:
    """`python -m streaming` on a database and topics, with a log."""

    def __init__(self, kafka: Kafka, database: Milvus, log: Path) -> None:
        self.kafka, self.database, self._log = kafka, database, log

    @contextmanager
    def running(self, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
        """The process, which is killed at the end if it still runs."""
        with self._log.open("ab") as written:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "streaming", "--milvus.uri", self.database.uri, "--port", "0"),
                    *("--kafka.bootstrap", *self.kafka.bootstrap, "--kafka.topic", self.kafka.topic),
                    *("--kafka.dlq_topic", self.kafka.dlq_topic, *flags),
                ],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join((str(FAULTY_PILLOW), str(ROOT / "lib")))},
                stderr=written,
            )
            try:
                yield process
            finally:
                process.kill()
                process.wait()

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text()

    def committed(self) -> dict[int, int]:
        """How far its group has come."""
        with broker.admin(self.kafka) as admin:
            return admin.committed("vitrine.products__a", self.kafka.topic)


@pytest.fixture
def program(kafka, database: Milvus, tmp_path: Path) -> Program:
    """A program that nothing has started yet."""
    return Program(kafka(), database, tmp_path / "log")


def shown(product_id: str, *pictures: bytes) -> Message:
    event = ListingEvent(op="upsert", product_id=product_id, version=1, images=carried(pictures))
    return encode(event, {sha256(picture): picture for picture in pictures})


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_program_takes_a_listing_in_and_ends_cleanly_when_told(program):
    publish(program.kafka, [shown("p", PICTURE)])
    with program.running() as process:
        eventually(lambda: process.poll() is not None or program.committed() == {0: 1}, within_s=PATIENCE_S)
        assert process.poll() is None, program.log
        port = re.search(r"health host=127.0.0.1 port=(\d+)", program.log)[1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert b'records_total{outcome="applied"} 1.0' in answer.read()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, program.log
    assert "following collection=products__a group=vitrine.products__a" in program.log
    assert program.log.rstrip().endswith("stopped")
    with connect(program.database) as store:
        assert store.count("products__a") == 1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_picture_that_kills_its_decoder_ends_the_program_once_and_is_then_only_a_reject(program):
    deadly = gif(draw(look(2), size=64)) + b" segmentation fault"
    publish(program.kafka, [shown("sound", PICTURE)])
    once = "--in_flight_records", "1"  # only the first record after a start is decoded apart
    with program.running(*once) as process:
        eventually(lambda: process.poll() is not None or program.committed() == {0: 1}, within_s=PATIENCE_S)
        publish(program.kafka, [shown("deadly", PICTURE, deadly)])
        assert process.wait(60) == -signal.SIGSEGV, program.log
    with program.running(*once) as process:
        eventually(lambda: process.poll() is not None or program.committed() == {0: 2}, within_s=PATIENCE_S)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, program.log
    (letter,) = dead_letters(program.kafka)
    assert dict(letter.headers)["x-dlq.reason"] == b"decoder_crash"
    with connect(program.database) as store:
        assert store.count("products__a") == 2
