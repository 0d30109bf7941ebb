import threading
import time
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
import trustme
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
)

from tests.broker.conftest import Secured
from tests.brokers import LEAKY
from vitrine import broker
from vitrine.broker.connections import administrator
from vitrine.errors import BadInput, Unavailable, VitrineError
from vitrine.events import Message
from vitrine.settings import Kafka

pytestmark = LEAKY

SHORT = {"bootstrap_timeout_s": 2.0}


def send_one(settings: Kafka) -> None:
    with broker.Producer(settings) as producer:
        producer.send(settings.topic, Message(b"a", b"1"))


def sends_and_reads(settings: Kafka) -> bool:
    topic = f"t-{uuid4().hex[:12]}"
    mine = settings.model_copy(update={"topic": topic, "dlq_topic": f"{topic}.dlq"})
    with broker.admin(mine) as admin:
        admin.create_topics(mine, partitions=1)
    send_one(mine)
    return [record.message for record in broker.records(mine, topic)] == [Message(b"a", b"1")]


@pytest.mark.parametrize(
    ("listener", "changes"),
    [
        ("plain", {}),
        ("sasl", {}),
        ("sasl", {"sasl_mechanism": "SCRAM-SHA-512"}),
        ("tls", {}),
        ("both", {"sasl_mechanism": "SCRAM-SHA-512"}),
        ("mutual", {}),
    ],
)
def test_records_pass_through_every_kind_of_listener(
    secured: Secured, listener: str, changes: dict[str, object]
) -> None:
    if listener == "tls":  # who shows neither certificate nor password is anonymous
        assert secured.settings("tls").client_certificate_file is None
    assert sends_and_reads(secured.settings(listener, **changes))


@pytest.mark.parametrize(
    ("listener", "changes", "said"),
    [
        ("sasl", {"password": "guess"}, "refused user alice with PLAIN: check kafka.username, its password"),
        ("both", {"password": "guess", "sasl_mechanism": "SCRAM-SHA-512"}, "refused user alice with SCRAM-SHA-512"),
        ("sasl", {"username": "mallory", "sasl_mechanism": "SCRAM-SHA-512"}, "refused user mallory"),
        ("sasl", {"sasl_mechanism": "SCRAM-SHA-256"}, "refused user alice with SCRAM-SHA-256"),
        ("sasl", {"security_protocol": "PLAINTEXT", "username": "", "password": ...}, "may ask for a password"),
        ("tls", {"security_protocol": "PLAINTEXT", "ca_file": ...}, "is encrypted: set kafka.security_protocol to SSL"),
        ("tls", {"ca_file": ...}, "certificate that is not trusted"),
        ("mutual", {"client_certificate_file": ..., "client_key_file": ...}, "may want kafka.client_certificate_file"),
        ("plain", {"security_protocol": "SSL"}, "does not speak TLS: set kafka.security_protocol to PLAINTEXT"),
        (
            "plain",
            {"security_protocol": "SASL_PLAINTEXT", "username": "alice", "password": "alice-pw"},
            "asks for no password: set kafka.security_protocol to PLAINTEXT",
        ),
    ],
)
def test_a_broker_that_lets_nobody_in_is_told_with_its_likely_cause(
    secured: Secured, listener: str, changes: dict[str, object], said: str
) -> None:
    settings = secured.settings(listener, **SHORT, **changes)
    with pytest.raises(BadInput) as raised:
        broker.consumer(settings)
    assert said in str(raised.value)
    assert settings.bootstrap[0] in str(raised.value)
    assert "\n" not in str(raised.value)


def test_another_authority_is_not_trusted(secured: Secured, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    with pytest.raises(BadInput, match=r"not trusted \(.*certificate.*\): check kafka\.ca_file"):
        broker.producer(secured.settings("tls", ca_file=other, **SHORT))


def test_a_certificate_for_another_name_is_not_trusted(secured: Secured) -> None:
    address = f"localhost:{secured.ports['tls']}"
    with pytest.raises(BadInput, match="Hostname mismatch, certificate is not valid for 'localhost'"):
        broker.producer(secured.settings("tls", bootstrap=[address], **SHORT))


def test_a_broker_that_is_not_there_may_be_there_later_and_no_thread_waits_for_it() -> None:
    before = threading.enumerate()
    with pytest.raises(Unavailable, match=r"no Kafka broker answers at 127\.0\.0\.1:9 \(Connection refused\)"):
        broker.consumer(Kafka(bootstrap=["127.0.0.1:9"], bootstrap_timeout_s=0.5))
    assert threading.enumerate() == before


def test_a_port_that_is_not_for_clients_is_told(secured: Secured) -> None:
    controller = f"127.0.0.1:{secured.server.ports[1]}"
    with pytest.raises(VitrineError, match=controller):
        broker.consumer(Kafka(bootstrap=[controller], **SHORT))  # type: ignore[arg-type]


def test_a_user_without_permission_is_told_so(secured: Secured) -> None:
    bob = secured.settings("sasl", username="bob", password="bob-pw", timeout_s=5.0)
    with broker.admin(secured.settings("plain")) as admin:
        admin.create_topics(secured.settings("plain"), partitions=1)
    with pytest.raises(BadInput, match="lacks permission"):
        send_one(bob)
    with pytest.raises(BadInput, match="lacks permission"):
        list(broker.records(bob, bob.topic))
    with broker.admin(bob) as admin, pytest.raises(BadInput, match="lacks permission"):
        admin.commit("group", bob.topic, {0: 0})


def test_these_rights_are_enough(secured: Secured) -> None:
    ours = secured.settings("plain", topic="rights", dlq_topic="rights.dlq")
    with broker.admin(ours) as admin:
        admin.create_topics(ours, partitions=1)
    allow(ours, ResourceType.TOPIC, "rights", ACLOperation.READ)
    allow(ours, ResourceType.TOPIC, "rights", ACLOperation.WRITE)
    allow(ours, ResourceType.GROUP, "vitrine.", ACLOperation.READ)
    carol = secured.settings("sasl", username="carol", password="carol-pw", topic="rights")
    send_one(carol)
    assert len(list(broker.records(carol, "rights"))) == 1
    with broker.admin(carol) as admin:
        assert admin.require("rights") == 1
    with broker.consumer(carol, group="vitrine.products", auto_offset_reset="earliest") as member:
        member.subscribe(["rights"])
        end = time.monotonic() + 60
        while not member.poll(500):
            assert time.monotonic() < end
        member.commit()


def allow(settings: Kafka, kind: ResourceType, name: str, operation: ACLOperation) -> None:
    """Let `carol` do that with all whose name begins so."""
    pattern = ResourcePattern(kind, name, ACLResourcePatternType.PREFIXED)
    with closing(administrator(settings)) as client:
        client.create_acls([ACL("User:carol", "*", operation, ACLPermissionType.ALLOW, pattern)])


@pytest.mark.parametrize("file", ["absent.pem", "empty.pem"])
@pytest.mark.parametrize("setting", ["ca_file", "client_certificate_file"])
def test_a_file_that_holds_no_certificate_is_named(tmp_path: Path, file: str, setting: str) -> None:
    (tmp_path / "empty.pem").touch()
    files = {setting: tmp_path / file}
    if setting == "client_certificate_file":
        files["client_key_file"] = tmp_path / file
    with pytest.raises(BadInput, match=f"kafka.{setting} .*{file}"):
        broker.consumer(Kafka(bootstrap=["127.0.0.1:9"], security_protocol="SSL", **files))


def test_no_error_and_no_log_line_holds_the_password(secured: Secured, caplog: pytest.LogCaptureFixture) -> None:
    settings = secured.settings("sasl", password="gu3ss-me", **SHORT)
    with pytest.raises(VitrineError) as raised, caplog.at_level("INFO"):
        broker.consumer(settings)
    assert "gu3ss-me" not in f"{raised.value} {settings!r} {caplog.text}"
