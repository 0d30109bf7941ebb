"""Listing events: what a seller's change says, how a Kafka record carries it, what becomes of unusable ones."""

from vitrine.events.dead_letter import DeadLetter, Origin, bury, emptied, exhume
from vitrine.events.listing import ImageRef, ListingEvent, carried, sha256
from vitrine.events.wire import Listing, Message, decode, encode

__all__ = [
    "DeadLetter",
    "ImageRef",
    "Listing",
    "ListingEvent",
    "Message",
    "Origin",
    "bury",
    "carried",
    "decode",
    "emptied",
    "encode",
    "exhume",
    "sha256",
]
