"""What sellers, their servers and the network do to the whole service: it says so, and goes on."""

import logging
import socket
import threading

import pytest
from kafka import KafkaProducer

from streaming.moments import Place
from streaming.service import run
from tests.brokers import LEAKY, topics_on
from tests.streaming.plumbing import eventually, made
from tests.streaming.serving import dead_letters, publish, quick, serving
from vitrine.errors import Unavailable
from vitrine.events import ImageRef, ListingEvent, Message, carried, encode, exhume, sha256
from vitrine.rendering import draw, jpeg, look
from vitrine.settings import Pictures
from vitrine.testing import FakeEmbedder, MemoryStore

pytestmark = LEAKY

PICTURE = jpeg(draw(look(1), size=64))


def shown(product_id: str, *pictures: bytes) -> Message:
    event = ListingEvent(op="upsert", product_id=product_id, version=1, images=carried(pictures))
    return encode(event, {sha256(picture): picture for picture in pictures})


def letters(settings):
    return [exhume(one.key, one.value, one.headers) for one in dead_letters(settings.kafka)]


def test_a_picture_server_that_never_answers_costs_its_pictures_and_nobody_elses(kafka):
    store = MemoryStore()
    view = made(store)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        pictures = Pictures(prefixes=[place], private_hosts=["127.0.0.1"], fetch_timeout_s=0.3, fetch_attempts=1)
        settings = quick(kafka()).model_copy(update={"pictures": pictures})
        far = (ImageRef(image_uri=f"{place}a.jpg"), *carried([PICTURE]))
        slow = encode(ListingEvent(op="upsert", product_id="far", version=1, images=far), {sha256(PICTURE): PICTURE})
        publish(settings.kafka, [slow, shown("near", PICTURE)])
        with serving(settings, store) as member:
            eventually(lambda: member.committed == {0: 2})
        assert member.outcomes == {"applied": 2}
    assert store.count(view.name) == 2
    (letter,) = letters(settings)
    assert (letter.reason, letter.stage, letter.message.key) == ("fetch_failed", "fetch", b"far")


def test_a_flood_of_bad_pictures_from_one_seller_delays_nobody_for_good(kafka, caplog):
    settings, store = quick(kafka(2), stop_after_bad=50, port=0), MemoryStore()
    view = made(store)
    flood = [shown(f"bad{n}", b"<html>no picture</html>%d" % n) for n in range(300)]
    publish(settings.kafka, [*flood, *(shown(f"good{n}", PICTURE) for n in range(10))])
    with serving(settings, store) as member:
        eventually(lambda: sum(member.committed.values()) == 310)
    assert store.count(view.name) == 10
    found = letters(settings)
    assert {letter.message.key for letter in found} == {f"bad{n}".encode() for n in range(300)}
    assert {(letter.reason, letter.stage) for letter in found} == {("unsupported_format", "embed")}


def test_a_record_that_unpacks_beyond_what_can_be_sent_is_buried_empty(kafka):
    settings, store = quick(kafka()), MemoryStore()
    view = made(store)
    packed = KafkaProducer(
        bootstrap_servers=settings.kafka.bootstrap, compression_type="gzip", max_request_size=20_000_000
    )
    packed.send(settings.kafka.topic, key=b"bomb", value=b" " * 9_000_000).get(timeout=30)
    packed.close()
    publish(settings.kafka, [shown("p", PICTURE)])
    with serving(settings, store) as member:
        eventually(lambda: member.committed == {0: 2})
    assert member.applied == {Place(0, 0): 1, Place(0, 1): 1}
    assert store.count(view.name) == 1
    (letter,) = letters(settings)
    assert (letter.origin.offset, letter.message.value) == (0, b"")
    assert letter.left_out_bytes >= 9_000_000


def test_told_to_end_while_kafka_is_away_it_ends_cleanly_and_what_is_not_committed_is_read_again(mortal_kafka, caplog):
    settings, store = quick(topics_on(mortal_kafka), drain_s=3), MemoryStore()
    view = made(store)
    publish(settings.kafka, [shown("p", PICTURE)])
    with caplog.at_level(logging.WARNING), serving(settings, store) as member:
        eventually(lambda: member.committed == {0: 1})
        mortal_kafka.kill()
    assert "left without a last commit" in caplog.text
    assert store.count(view.name) == 1


def test_told_to_end_while_the_model_is_made_ready_it_ends_cleanly(kafka):
    stop = threading.Event()

    def interrupted(model_id: str) -> FakeEmbedder:
        """As where a signal to the whole group of processes ends the one that decodes apart."""
        if stop.is_set():
            raise Unavailable("the process that decodes pictures has ended with status -15: try again")
        return FakeEmbedder(model_id, dim=16)

    store = MemoryStore()
    made(store)
    stop.set()
    run(quick(kafka()), make_embedder=interrupted, open_store=lambda _: store, stop=stop)


def test_a_decoder_that_cannot_be_started_ends_the_start(kafka):
    def away(model_id: str) -> FakeEmbedder:
        raise Unavailable("no process")

    store = MemoryStore()
    made(store)
    with pytest.raises(Unavailable, match="no process"):
        run(quick(kafka()), make_embedder=away, open_store=lambda _: store)
