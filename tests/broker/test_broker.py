import threading
import time
from pathlib import Path

import pytest
from kafka import KafkaProducer
from kafka.coordinator.assignors.range import RangePartitionAssignor
from pydantic import ValidationError

from deploy.local.kafka import Server
from tests.brokers import LEAKY, Topics, topics_on
from vitrine import broker
from vitrine.errors import BadInput, BadRecord, BadSettings, Unavailable, VitrineError
from vitrine.events import Message
from vitrine.events.dead_letter import HEADERS_BYTES
from vitrine.settings import Kafka


def filled(settings: Kafka, values: list[bytes], *, partition: int = 0, timestamps_ms: list[int] | None = None) -> None:
    with broker.Producer(settings) as producer:
        for number, value in enumerate(values):
            moment = timestamps_ms[number] if timestamps_ms else None
            producer.send(settings.topic, Message(b"a", value), partition=partition, timestamp_ms=moment)


def values(settings: Kafka, **choice: int) -> list[bytes | None]:
    return [record.message.value for record in broker.records(settings, settings.topic, **choice)]


def test_all_records_up_to_the_end_are_read_once_and_nothing_is_waited_for(kafka: Topics) -> None:
    settings = kafka(partitions=3)
    assert values(settings) == []
    filled(settings, [b"0", b"1"], partition=0)
    filled(settings, [b"2"], partition=2)
    assert sorted(one or b"" for one in values(settings)) == [b"0", b"1", b"2"]


def test_records_are_read_from_a_moment_on(kafka: Topics) -> None:
    settings = kafka()
    now_ms = time.time_ns() // 1_000_000
    filled(settings, [b"0", b"1", b"2"], timestamps_ms=[now_ms - 2_000, now_ms - 1_000, now_ms])
    assert values(settings, since_us=(now_ms - 1_000) * 1_000) == [b"1", b"2"]
    assert values(settings, since_us=(now_ms + 1) * 1_000) == []


def test_what_arrives_while_a_topic_is_read_is_not_read(kafka: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = kafka(partitions=2)
    filled(settings, [b"0", b"later", b"later"], partition=0)
    filled(settings, [b"1"], partition=1)
    monkeypatch.setattr(broker.Admin, "ends", lambda *_: {0: 1, 1: 1})  # as they were a moment before
    assert sorted(one or b"" for one in values(settings)) == [b"0", b"1"]


def test_what_a_transaction_took_back_is_not_read(kafka: Topics) -> None:
    settings = kafka()
    client = KafkaProducer(bootstrap_servers=settings.bootstrap, transactional_id=settings.topic)
    client.init_transactions()
    for value, end in ((b"0", client.commit_transaction), (b"1", client.abort_transaction)):
        client.begin_transaction()
        client.send(settings.topic, value).get(timeout=60)
        end()
    client.close()
    assert values(settings) == [b"0"]


def test_a_record_keeps_key_value_headers_place_and_time(kafka: Topics) -> None:
    settings = kafka(partitions=2)
    message = Message(b"k", None, (("a", b"1"), ("a", b""), ("é", b"\xff")))
    with broker.Producer(settings) as producer:
        producer.send(settings.topic, message, partition=1, timestamp_ms=1_700_000_000_123)
    (record,) = broker.records(settings, settings.topic)
    assert record.message == message
    assert (record.origin.partition, record.origin.offset, record.origin.timestamp_ms) == (1, 0, 1_700_000_000_123)


def test_offsets_at_a_moment_are_those_of_the_first_record_that_is_not_older_or_the_end(kafka: Topics) -> None:
    settings = kafka(partitions=2)
    filled(settings, [b"0", b"1", b"2"], timestamps_ms=[1_000_000, 2_000_000, 3_000_000])
    with broker.admin(settings) as admin:
        assert admin.offsets_at(settings.topic, 2_000_000_000) == {0: 1, 1: 0}
        assert admin.offsets_at(settings.topic, 2_000_001_000) == {0: 2, 1: 0}
        assert admin.offsets_at(settings.topic, 9_000_000_000) == {0: 3, 1: 0}
        assert admin.beginnings(settings.topic) == {0: 0, 1: 0}
        assert admin.ends(settings.topic) == {0: 3, 1: 0}


def test_offsets_of_a_group_are_set_read_back_and_forgotten(kafka: Topics) -> None:
    settings = kafka(partitions=2)
    group = settings.topic
    with broker.admin(settings) as admin:
        assert (admin.committed(group, settings.topic), admin.members(group)) == ({}, 0)
        admin.commit(group, settings.topic, {1: 7})
        assert admin.committed(group, settings.topic) == {1: 7}
        assert admin.committed(group, settings.dlq_topic) == {}
        with pytest.raises(BadInput, match=r"\{5: 'UnknownTopicOrPartitionError'\}"):
            admin.commit(group, settings.topic, {5: 0})
        admin.drop_group(group)
        admin.drop_group(group)
        assert admin.committed(group, settings.topic) == {}


def test_offsets_of_a_group_with_members_are_not_set(kafka: Topics) -> None:
    settings = kafka()
    member = broker.consumer(settings, group=settings.topic, auto_offset_reset="earliest")
    member.subscribe([settings.topic])
    with broker.admin(settings) as admin:
        end = time.monotonic() + 60
        while not member.assignment():
            assert time.monotonic() < end
            member.poll(500)
        assert admin.members(settings.topic) == 1
        with pytest.raises(BadInput, match="it may have members still"):
            admin.commit(settings.topic, settings.topic, {0: 0})
        with pytest.raises(BadInput, match="NonEmptyGroupError"):
            admin.drop_group(settings.topic)
    member.close()


def test_topics_that_are_there_stay_as_they_are(kafka: Topics) -> None:
    settings = kafka(partitions=2)
    with broker.admin(settings) as admin:
        admin.create_topics(settings, partitions=5)
        assert admin.require(settings.topic) == 2
        with pytest.raises(BadInput, match="Kafka has no topic nowhere: make it"):
            admin.require("nowhere")
        admin.drop_topics(["nowhere"])


def test_the_largest_record_of_the_topic_fits_into_the_dead_letters_with_its_headers(kafka: Topics) -> None:
    settings = kafka(max_message_bytes=100_000)
    largest = Message(b"a", b"x" * (100_000 - 129))
    headers = (("x", b"y" * (HEADERS_BYTES - 20)),)
    with broker.Producer(settings) as producer:
        producer.send(settings.topic, largest)
        producer.send(settings.dlq_topic, Message(largest.key, largest.value, headers))
        with pytest.raises(BadRecord, match=r"too_large: a record of 100001 bytes, at most 100000"):
            producer.send(settings.topic, Message(b"a", b"x" * (100_000 - 128)))


def test_a_topic_that_takes_less_than_the_settings_say_is_told(kafka: Topics) -> None:
    settings = kafka(max_message_bytes=10_000).model_copy(update={"max_message_bytes": 1_000_000})
    producer = broker.Producer(settings)
    producer.send(settings.topic, Message(b"a", b"x" * 20_000))
    with pytest.raises(BadInput, match=r"takes smaller records than .* = 1000000"):
        producer.flush()
    producer.close()


def test_each_record_is_told_once_whether_it_arrived(kafka: Topics) -> None:
    settings = kafka()
    told: list[VitrineError | None] = []
    with broker.Producer(settings) as producer:
        for number in range(100):
            producer.send(settings.topic, Message(b"a", b"%d" % number), done=told.append)
        producer.flush()
        assert told == [None] * 100
    assert values(settings) == [b"%d" % number for number in range(100)]


def test_clients_commit_and_reset_nothing_by_themselves_and_come_back_soon_after_an_outage(kafka: Topics) -> None:
    settings = kafka(reconnect_backoff_max_ms=700)
    wanted = {
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "allow_auto_create_topics": False,
        "check_crcs": True,
        "isolation_level": "read_committed",
        "partition_assignment_strategy": (RangePartitionAssignor,),
        "reconnect_backoff_max_ms": 700,
    }
    with broker.consumer(settings) as consumer:
        assert {name: consumer.config[name] for name in wanted} == wanted
    client = broker.producer(settings)
    assert client.config["reconnect_backoff_max_ms"] == 700
    assert (client.config["acks"], client.config["enable_idempotence"]) == (-1, True)
    assert client.config["batch_size"] == 1 << 20
    client.close()


def test_no_broker_named_is_a_wrong_setting() -> None:
    with pytest.raises(BadSettings, match=r"no Kafka is named: set kafka\.bootstrap"):
        broker.consumer(Kafka())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"bootstrap": ["kafka"]}, "must be host:port"),
        ({"bootstrap": ["http://kafka:9092"]}, "must be host:port"),
        ({"bootstrap": ["kafka:99999"]}, "must be host:port"),
        ({"topic": "two words"}, "pattern"),
        ({"security_protocol": "SASL_SSL"}, "SASL_SSL needs username"),
        ({"security_protocol": "SASL_SSL", "username": "a"}, "needs username, and VITRINE_KAFKA__PASSWORD"),
        ({"username": "a"}, "PLAINTEXT shows no password"),
        ({"password": "geheim"}, "PLAINTEXT shows no password"),
        ({"security_protocol": "SASL_SSL", "username": "a", "password": "geheim", "password_file": "f"}, "not both"),
        ({"ca_file": "ca.pem"}, "PLAINTEXT has no certificates"),
        ({"security_protocol": "SSL", "client_key_file": "key.pem"}, "go together"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as raised:
        Kafka(**wrong)  # type: ignore[arg-type]
    assert "geheim" not in str(raised.value)


def test_a_password_comes_from_a_file_and_shows_in_no_text(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("geheim\n")
    kafka = Kafka(security_protocol="SASL_SSL", username="a", password_file=tmp_path / "password")
    assert kafka.secret() == "geheim"
    with pytest.raises(BadInput, match=r"cannot read kafka\.password_file .*absent"):
        kafka.model_copy(update={"password_file": tmp_path / "absent"}).secret()
    stated = Kafka(security_protocol="SASL_SSL", username="a", password="geheim")  # type: ignore[arg-type]
    assert stated.secret() == "geheim"
    assert "geheim" not in f"{stated!r} {stated} {stated.model_dump_json()}"


def test_what_is_on_its_way_is_bounded(kafka: Topics) -> None:
    settings = kafka()
    on_the_way = most = 0

    def arrived(fault: VitrineError | None) -> None:
        nonlocal on_the_way
        on_the_way -= 1

    with broker.Producer(settings, on_the_way_bytes=5_000) as producer:
        for _ in range(50):
            producer.send(settings.topic, Message(b"a", b"x" * 900), done=arrived)
            on_the_way += 1
            most = max(most, on_the_way)
        producer.send(settings.topic, Message(b"a", b"x" * 20_000))
    assert on_the_way == 0
    assert 1 <= most <= 5
    assert len(values(settings)) == 51


class TestOutages:
    pytestmark = LEAKY

    def test_what_is_not_acknowledged_is_told_and_arrives_once_the_broker_is_back(self, mortal_kafka: Server) -> None:
        settings = topics_on(mortal_kafka, timeout_s=2.0)
        with broker.Producer(settings) as producer:
            producer.send(settings.topic, Message(b"a", b"before"))
            producer.flush()
            mortal_kafka.kill()
            producer.send(settings.topic, Message(b"a", b"during"))
            with pytest.raises(Unavailable, match="not acknowledged all records yet"):
                producer.flush(within_s=0.5)
            mortal_kafka.restart()
            producer.flush()
        assert values(settings) == [b"before", b"during"]

    def test_a_producer_that_is_closed_in_an_outage_leaves_no_thread(self, mortal_kafka: Server) -> None:
        settings = topics_on(mortal_kafka, timeout_s=2.0)
        before = threading.active_count()
        producer = broker.Producer(settings)
        producer.send(settings.topic, Message(b"a", b"before"))
        producer.flush()
        mortal_kafka.kill()
        producer.send(settings.topic, Message(b"a", b"during"))
        with pytest.raises(Unavailable):
            producer.close(within_s=0.1)
        assert threading.active_count() == before
