"""Reading a topic from a moment to where it ends now, outside of any group."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from vitrine.broker.administration import Offsets, admin
from vitrine.broker.connections import consumer
from vitrine.broker.faults import translated
from vitrine.errors import Unavailable
from vitrine.events import Message, Origin
from vitrine.settings import Kafka

_POLL_MS = 1_000
_FETCH_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it stands in Kafka."""

    origin: Origin
    message: Message


def records(kafka: Kafka, topic: str, *, since_us: int | None = None) -> Iterator[Record]:
    """The records of a topic up to its present end, in the order of each partition; those not older than `since_us`.

    Raises:
        BadInput: no such topic, or no permission.
        Unavailable: nothing came for `kafka.timeout_s`.
    """
    with admin(kafka) as administration:
        starts = administration.beginnings(topic) if since_us is None else administration.offsets_at(topic, since_us)
        ends = administration.ends(topic)
    with closing(consumer(kafka, max_partition_fetch_bytes=_FETCH_BYTES)) as client:
        yield from _read(client, topic, starts, ends, kafka.timeout_s)


def _read(client: KafkaConsumer, topic: str, starts: Offsets, ends: Offsets, patience_s: float) -> Iterator[Record]:
    left = {TopicPartition(topic, partition): end for partition, end in ends.items() if starts[partition] < end}
    client.assign(list(left))
    for place in left:
        client.seek(place, starts[place.partition])
    silent_s = 0.0
    while left:
        with translated(f"read topic {topic}"):
            polled: Mapping[TopicPartition, list[ConsumerRecord]] = client.poll(timeout_ms=_POLL_MS)
            left, before = {p: end for p, end in left.items() if client.position(p) < end}, left
        for place, found in polled.items():
            yield from (_record(one) for one in found if one.offset < ends[place.partition])
        silent_s = 0.0 if polled or left != before else silent_s + _POLL_MS / 1_000
        if silent_s >= patience_s:
            raise Unavailable(f"no record of topic {topic} came for {patience_s:.0f} s, though there are more")


def message_of(record: ConsumerRecord) -> Message:
    """What a polled record holds; a null header value becomes an empty one, since the library cannot send it again."""
    return Message(record.key, record.value, tuple((name, content or b"") for name, content in record.headers))


def _record(one: ConsumerRecord) -> Record:
    return Record(Origin(one.topic, one.partition, one.offset, max(one.timestamp or 0, 0)), message_of(one))
