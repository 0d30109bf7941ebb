"""What a poll brings, as the service keeps it."""

from kafka.consumer.fetcher import ConsumerRecord

from streaming.polling import taken
from tests.brokers import Topics
from vitrine import broker
from vitrine.events import DeadLetter, Message, Origin, bury
from vitrine.product import Reason


def polled(*headers: tuple[str, bytes | None]) -> ConsumerRecord:
    """A record of partition 2 as the library gives it."""
    said = dict.fromkeys(ConsumerRecord._fields)
    return ConsumerRecord(**said | {"offset": 7, "timestamp": 5, "key": b"k", "value": b"{", "headers": list(headers)})


def test_a_record_with_a_null_header_value_can_be_buried(kafka: Topics) -> None:
    """Clients in other languages write such headers, and the library sends none."""
    record = taken(polled(("trace", None), ("own", b"1")), 2, 1)
    assert record.message == Message(b"k", b"{", (("trace", b""), ("own", b"1")))
    assert record.size_bytes == 11
    settings = kafka()
    with broker.Producer(settings) as producer:
        letter = DeadLetter(record.message, Origin("listings", 2, 7), Reason.BAD_EVENT, "", "decode", 0)
        producer.send(settings.dlq_topic, bury(letter))
