"""Kafka as a stranger sees it: plain kafka-python, none of the service's code."""

import time
from collections.abc import Iterable
from contextlib import closing

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from tests.streaming.proof.evidence import CommitSample
from tests.streaming.proof.wire import Record, Sent
from vitrine.settings import Kafka

ANSWER_S = 60.0
_PATIENT = {"reconnect_backoff_max_ms": 500, "bootstrap_timeout_ms": int(1_000 * ANSWER_S)}


def produce(kafka: Kafka, sent: Iterable[Sent], *, per_second: float) -> None:
    """Send records in their order and evenly spread; every one is acknowledged, through outages of a minute too."""
    with closing(KafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all", linger_ms=5, **_PATIENT)) as producer:
        start, futures = time.monotonic(), []
        for number, one in enumerate(sent):
            time.sleep(max(0.0, start + number / per_second - time.monotonic()))
            futures.append(producer.send(kafka.topic, key=one.key, value=one.value, headers=list(one.headers)))
        for future in futures:
            future.get(2 * ANSWER_S)


def records(kafka: Kafka, topic: str) -> list[Record]:
    """All that a topic holds."""
    with closing(KafkaConsumer(bootstrap_servers=kafka.bootstrap, enable_auto_commit=False, **_PATIENT)) as consumer:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        found: list[Record] = []
        deadline = time.monotonic() + ANSWER_S
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            assert time.monotonic() < deadline, f"{topic} cannot be read to its end"
            for batch in consumer.poll(timeout_ms=500).values():
                found += [Record(one.key, one.value, tuple(one.headers), one.partition, one.offset) for one in batch]
        return found


class Groups:
    """What the broker says of consumer groups on a topic; nothing while it is away."""

    def __init__(self, kafka: Kafka) -> None:
        self._topic = kafka.topic
        self._admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap, request_timeout_ms=3_000, **_PATIENT)
        self._consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap, enable_auto_commit=False, **_PATIENT)
        numbers = sorted(self._consumer.partitions_for_topic(kafka.topic) or ())
        self._partitions = [TopicPartition(kafka.topic, number) for number in numbers]

    def sample(self, group: str) -> CommitSample | None:
        """Offsets and ends, or None while it does not answer."""
        try:
            committed = self._admin.list_group_offsets(group)[group]
            ends = self._consumer.end_offsets(self._partitions)
        except (KafkaError, KeyError):
            return None
        offsets = {place.partition: state.offset for place, state in committed.items() if place.topic == self._topic}
        return CommitSample(
            time.monotonic(), group, offsets, {place.partition: offset for place, offset in ends.items()}
        )

    def close(self) -> None:
        self._admin.close()
        self._consumer.close()
