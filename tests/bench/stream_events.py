"""The events of the bench of the stream: uploads with one picture each, as fast as they go or at a rate."""

import time
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from tests.bench.stream_stack import Stack
from vitrine import broker
from vitrine.events import ListingEvent, Message, carried, encode, sha256
from vitrine.rendering import draw, jpeg, look


def upload(product_id: str, picture: bytes) -> Message:
    """A new product with one picture."""
    event = ListingEvent(
        op="upsert",
        product_id=product_id,
        version=1,
        event_us=time.time_ns() // 1_000,
        title=f"Striped shirt {product_id}",
        category="Apparel/Topwear/Shirts",
        brand="Acme",
        price=19.9,
        images=carried([picture]),
    )
    return encode(event, {sha256(picture): picture})


def padded(count: int, size_bytes: int) -> Iterator[bytes]:
    """Pictures of that size, each different: a tiny one with noise behind its end."""
    small = jpeg(draw(look(0), size=16))
    noise = np.random.default_rng(0)
    for _ in range(count):
        yield small + noise.bytes(size_bytes - len(small))


def told_apart(pictures: Sequence[bytes], count: int) -> Iterator[bytes]:
    """These pictures over and over, each time with another few bytes behind its end."""
    return (pictures[number % len(pictures)] + number.to_bytes(4, "big") for number in range(count))


def publish(stack: Stack, pictures: Iterable[bytes], *, rate: float = 0.0, named: str = "P") -> int:
    """Send an upload of each picture, `rate` of them a second or as fast as they go; returns how many."""
    started_s, sent = time.monotonic(), 0
    with broker.Producer(stack.settings.kafka) as producer:
        for picture in pictures:
            producer.send(stack.topic, upload(f"{named}{sent:07}", picture))
            sent += 1
            if rate:
                time.sleep(max(0.0, started_s + sent / rate - time.monotonic()))
    return sent
