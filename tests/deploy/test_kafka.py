import socket
from pathlib import Path

import psutil
import pytest

from deploy.local import jars, kafka
from deploy.local.kafka import Server
from tests.brokers import topics_on
from vitrine import broker
from vitrine.errors import BadInput, Unavailable
from vitrine.events import Message


def test_a_killed_broker_starts_again_with_its_records_and_offsets(mortal_kafka: Server) -> None:
    settings = topics_on(mortal_kafka)
    with broker.Producer(settings) as producer:
        for number in range(500):
            producer.send(settings.topic, Message(b"a", b"%d" % number))
    with broker.admin(settings) as admin:
        admin.commit("group", settings.topic, {0: 123})
    before = mortal_kafka.process
    mortal_kafka.kill()
    assert not mortal_kafka.alive()
    mortal_kafka.restart()
    assert mortal_kafka.process != before
    assert len(list(broker.records(settings, settings.topic))) == 500
    with broker.admin(settings) as admin:
        assert admin.committed("group", settings.topic) == {0: 123}


def test_a_broker_listens_on_loopback_only(mortal_kafka: Server) -> None:
    assert mortal_kafka.process
    process = psutil.Process(mortal_kafka.process.id)
    listening = {one.laddr.ip for one in process.net_connections() if one.status == psutil.CONN_LISTEN}
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


def test_a_directory_has_one_broker_at_a_time(mortal_kafka: Server) -> None:
    with pytest.raises(BadInput, match="a Kafka broker already runs"):
        kafka.start(mortal_kafka.place)


def test_a_broker_that_ends_at_once_shows_its_last_words_and_leaves_nothing(
    mortal_kafka: Server, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match=r"(?s)Kafka ended while it started: its log .*Exception"):
        kafka.start(tmp_path, properties={"authorizer.class.name": "no.such.Authorizer"})
    assert kafka.find(tmp_path) is None


def test_a_directory_that_cannot_be_made_is_told(mortal_kafka: Server, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="Kafka could not make its directory"):
        kafka.start(tmp_path, properties={"process.roles": "none"})


def test_a_taken_port_is_named(mortal_kafka: Server, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BadInput, match=f"port {taken.getsockname()[1]} is taken"):
            kafka.start(tmp_path, port=taken.getsockname()[1])


def test_without_java_the_install_line_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(BadInput, match="a Kafka broker needs java: apt-get install maven"):
        jars.class_path()


def test_java_home_stands_above_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for place in ("home/bin", "path"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "java").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert jars.java() == str(tmp_path / "path/java")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert jars.java() == str(tmp_path / "home/bin/java")


def test_without_maven_the_install_line_is_shown_unless_the_jars_are_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "java").touch(0o755)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(BadInput, match="a Kafka broker needs mvn"):
        jars.class_path()
    (tmp_path / f"cache/vitrine/kafka-{jars.VERSION}").mkdir(parents=True)
    assert jars.class_path() == f"{tmp_path}/cache/vitrine/kafka-{jars.VERSION}/*"


def test_what_maven_says_is_told_and_nothing_is_kept_of_a_failed_fetch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "java").touch(0o755)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    (tmp_path / "mvn").write_text("#!/bin/sh\necho no route to the registry\nexit 1\n")
    (tmp_path / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(Unavailable, match="Maven could not fetch Kafka's jars: no route"):
        jars.class_path()
    assert not list((tmp_path / "cache/vitrine").iterdir())
