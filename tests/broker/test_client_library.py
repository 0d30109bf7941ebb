"""What kafka-python 3.0 does on a real broker, and the design rests on: a new version that differs must fail here."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import CorruptRecordError, FencedInstanceIdError, MessageSizeTooLargeError
from kafka.structs import OffsetAndMetadata

from tests.brokers import Topics
from vitrine import broker
from vitrine.events import Message
from vitrine.settings import Kafka

SOON_S = 60.0


def until(done: Callable[[], object], step: Callable[[], object]) -> None:
    """Take steps until it is done; the test fails if that takes too long."""
    end = time.monotonic() + SOON_S
    while not done():
        assert time.monotonic() < end, "it never came true"
        step()


@pytest.fixture
def filled(kafka: Topics) -> Callable[..., Kafka]:
    """`filled(partitions, records)`: a topic with so many records in each partition."""

    def fill(partitions: int, records: int) -> Kafka:
        settings = kafka(partitions)
        with broker.Producer(settings) as producer:
            for number in range(records):
                for partition in range(partitions):
                    producer.send(settings.topic, Message(b"a", b"%d" % number), partition=partition)
        return settings

    return fill


@contextmanager
def member(settings: Kafka, **options: object) -> Iterator[KafkaConsumer]:
    """A member of the topic's one group."""
    consumer = broker.consumer(
        settings,
        group=settings.topic,
        session_timeout_ms=6_000,
        heartbeat_interval_ms=300,
        auto_offset_reset="earliest",
        **options,
    )
    consumer.subscribe([settings.topic])
    yield consumer
    consumer.close()


def records(polled: dict[TopicPartition, list[object]]) -> int:
    return sum(map(len, polled.values()))


def test_d1_a_partition_that_stays_goes_on_from_its_position_not_from_what_was_committed(
    filled: Callable[..., Kafka],
) -> None:
    settings = filled(2, 20)
    with member(settings) as first, member(settings) as second:
        read = 0

        def read_more() -> None:
            nonlocal read
            read += records(first.poll(500))

        until(lambda: read == 40, read_more)
        first.commit({place: OffsetAndMetadata(5) for place in first.assignment()})
        left = threading.Event()
        joining = threading.Thread(target=lambda: [second.poll(200) for _ in iter(left.is_set, True)])
        joining.start()
        until(lambda: len(first.assignment()) == 1, lambda: first.poll(200))
        left.set()
        joining.join()
        (kept,) = first.assignment()
        assert first.committed(kept) == 5
        assert first.position(kept) == 20


def paused_for_a_while(settings: Kafka, *, all_together: bool) -> tuple[int, int]:
    """Records of two partitions, one of which had records waiting when it was paused: its own, and the other's."""
    consumer = broker.consumer(settings, max_poll_records=1)
    places = [TopicPartition(settings.topic, partition) for partition in range(2)]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    first: dict[TopicPartition, list[object]] = {}
    until(lambda: first, lambda: first.update(consumer.poll(500)))
    (paused,) = first
    consumer.pause(*(places if all_together else [paused]))
    counts = {place: len(first.get(place, [])) for place in places}

    def poll() -> None:
        for place, found in consumer.poll(50).items():
            counts[place] += len(found)

    for _ in range(10):
        poll()
    consumer.resume(*consumer.paused())
    (other,) = set(places) - {paused}
    until(lambda: counts[other] == 30, poll)
    for _ in range(40):
        poll()
    consumer.close()
    return counts[paused], counts[other]


def test_d2_pausing_one_of_two_partitions_stops_it_for_ever(filled: Callable[..., Kafka]) -> None:
    assert paused_for_a_while(filled(2, 30), all_together=False) == (1, 30)


def test_d2_pausing_all_partitions_together_stops_none(filled: Callable[..., Kafka]) -> None:
    assert paused_for_a_while(filled(2, 30), all_together=True) == (30, 30)


def test_d3_a_static_member_that_was_replaced_reads_on_and_learns_it_only_from_a_commit(
    filled: Callable[..., Kafka],
) -> None:
    settings = filled(1, 100)
    with (
        member(settings, group_instance_id="m", max_poll_records=5) as replaced,
        member(settings, group_instance_id="m") as present,
    ):
        until(replaced.assignment, lambda: replaced.poll(300))
        until(present.assignment, lambda: present.poll(300))
        read = 0

        def read_more() -> None:
            nonlocal read
            read += records(replaced.poll(300))

        until(lambda: read >= 25, read_more)
        with pytest.raises(FencedInstanceIdError):
            replaced.commit({TopicPartition(settings.topic, 0): OffsetAndMetadata(1)}, timeout_ms=10_000)


def test_d4_a_member_that_polls_shortly_between_other_work_does_not_join(filled: Callable[..., Kafka]) -> None:
    settings = filled(1, 1)
    with member(settings) as busy:
        for _ in range(20):
            busy.poll(1)
            time.sleep(0.1)  # its other work
        assert not busy.assignment()
        until(busy.assignment, lambda: busy.poll(1_000))


class Unspeakable(str):
    """A header's name that is not UTF-8, as clients in other languages can write it."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff"


def test_d5_a_header_whose_name_is_not_utf_8_makes_its_batch_unreadable(kafka: Topics) -> None:
    settings = kafka()
    with broker.Producer(settings) as producer:
        producer.send(settings.topic, Message(b"a", b"1"))
        producer.flush()
        producer.send(settings.topic, Message(b"a", b"2", ((Unspeakable("name"), b""),)))
        producer.flush()
        producer.send(settings.topic, Message(b"a", b"3"))
    place = TopicPartition(settings.topic, 0)
    consumer = broker.consumer(settings)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    until(lambda: consumer.position(place) == 1, lambda: consumer.poll(500))
    with pytest.raises(CorruptRecordError):
        consumer.poll(500)
    assert consumer.position(place) == 1
    consumer.seek(place, 2)  # the next poll would spin for ever without it
    until(lambda: consumer.position(place) == 3, lambda: consumer.poll(500))
    consumer.close()


def test_d6_a_record_that_the_broker_refuses_ends_the_producer(kafka: Topics) -> None:
    settings = kafka(max_message_bytes=10_000)
    producer = broker.producer(settings.model_copy(update={"max_message_bytes": 1_000_000}))
    with pytest.raises(MessageSizeTooLargeError):
        producer.send(settings.topic, b"x" * 20_000).get(timeout=SOON_S)
    with pytest.raises(MessageSizeTooLargeError):
        producer.send(settings.topic, b"small").get(timeout=SOON_S)
    producer.close(0)


class Told(ConsumerRebalanceListener):
    """Keeps what it is told of a member's partitions."""

    def __init__(self) -> None:
        self.assigned: list[int] = []

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Not looked at."""

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self.assigned.append(len(assigned))


def test_d7_a_member_that_asks_for_the_topic_after_subscribing_joins_in_one_step(filled: Callable[..., Kafka]) -> None:
    """Else it may join in two that follow closely, of which the second may never end: it idles without a word."""
    settings = filled(3, 1)
    with broker.consumer(settings, group=settings.topic, auto_offset_reset="earliest") as consumer:
        told = Told()
        consumer.subscribe([settings.topic], listener=told)
        assert consumer.partitions_for_topic(settings.topic) == {0, 1, 2}
        until(lambda: told.assigned, lambda: consumer.poll(500))
        assert told.assigned == [3]
