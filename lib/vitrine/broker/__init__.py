"""Kafka beside the consumer: how clients are set up, topics, offsets and groups, sending and reading records."""

from vitrine.broker.administration import Admin, Offsets, admin
from vitrine.broker.connections import consumer, producer
from vitrine.broker.faults import OF_THE_GROUP, translated, translation
from vitrine.broker.reading import Record, message_of, records
from vitrine.broker.sending import Producer

__all__ = [
    "OF_THE_GROUP",
    "Admin",
    "Offsets",
    "Producer",
    "Record",
    "admin",
    "consumer",
    "message_of",
    "producer",
    "records",
    "translated",
    "translation",
]
