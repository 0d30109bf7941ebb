"""The whole service on a real broker, with a database in memory."""

import logging
import socket
import threading
import urllib.error
import urllib.request

import pytest

from streaming.moments import Following, Polled, Settled
from streaming.records import Taken
from tests.brokers import LEAKY
from tests.streaming.plumbing import FailingStore, eventually, made
from tests.streaming.records import listed, taken
from tests.streaming.serving import dead_letters, publish, quick, refused, serving
from vitrine import broker
from vitrine.events import ListingEvent, Message, carried, encode, sha256
from vitrine.index import collections, schema
from vitrine.rendering import draw, jpeg, look
from vitrine.testing import MemoryStore

pytestmark = LEAKY

PICTURE = jpeg(draw(look(1), size=64))


def shown(product_id: str, version: int = 1) -> Message:
    event = ListingEvent(op="upsert", product_id=product_id, version=version, images=carried([PICTURE]))
    return encode(event, {sha256(PICTURE): PICTURE})


def committed(settings, group: str) -> dict[int, int]:
    with broker.admin(settings.kafka) as admin:
        return admin.committed(group, settings.kafka.topic)


def test_listings_become_rows_and_what_ended_is_committed(kafka):
    settings, store = quick(kafka(2)), MemoryStore()
    view = made(store)
    publish(settings.kafka, [shown(f"p{n}") for n in range(20)])
    with serving(settings, store) as member:
        eventually(lambda: member.outcomes["applied"] == 20)
    assert store.count(view.name) == 20
    assert sum(committed(settings, f"vitrine.{view.name}").values()) == 20


def test_a_service_that_was_stopped_goes_on_and_does_nothing_again(kafka):
    settings, store = quick(kafka()), MemoryStore()
    made(store)
    publish(settings.kafka, [shown(f"p{n}") for n in range(5)])
    with serving(settings, store) as first:
        eventually(lambda: first.outcomes["applied"])
    publish(settings.kafka, [shown("p5")])
    with serving(settings, store) as second:
        eventually(lambda: second.outcomes["applied"])
    assert not first.applied.keys() & second.applied.keys()
    assert len(first.applied) + len(second.applied) == 6


def test_what_is_under_way_when_the_service_is_stopped_is_finished_and_committed(kafka):
    settings, store = quick(kafka(), batch_age_s=3.0), MemoryStore()
    view = made(store)
    publish(settings.kafka, [shown(f"p{n}") for n in range(5)])
    with serving(settings, store) as member:
        eventually(lambda: any(isinstance(moment, Polled) for moment in member.moments))
    assert committed(settings, f"vitrine.{view.name}") == {0: 5}
    assert store.count(view.name) == 5


def test_what_cannot_be_used_lies_in_the_dead_letters_before_its_offset_is_committed(kafka):
    settings, store = quick(kafka()), MemoryStore()
    made(store)
    bad = Message(b"p", b"\xff{", (("trace", b"1"),))
    publish(settings.kafka, [shown("a"), bad, shown("b")])
    with serving(settings, store) as member:
        eventually(lambda: member.committed == {0: 3})
        assert member.outcomes == {"applied": 2, "dead": 1}
    (letter,) = dead_letters(settings.kafka)
    assert (letter.key, letter.value, letter.headers[0]) == (bad.key, bad.value, bad.headers[0])
    headers = dict(letter.headers)
    assert (headers["x-dlq.reason"], headers["x-dlq.offset"]) == (b"bad_event", b"1")


def test_another_collection_behind_the_alias_is_fed_from_the_logs_beginning_and_the_old_one_left_alone(kafka):
    settings, store = quick(kafka(), follow_every_s=0.1), MemoryStore()
    old = made(store)
    publish(settings.kafka, [shown("p")])
    with serving(settings, store) as member:
        eventually(lambda: member.committed == {0: 1})
        new = made(store)
        eventually(lambda: store.count(new.name) == 1)
        eventually(lambda: Following(new.name, "fake") in member.moments)
        publish(settings.kafka, [shown("q")])
        eventually(lambda: store.count(new.name) == 2)
        collections.swap(store, "products", old.name)
        eventually(lambda: store.count(old.name) == 2)
    assert committed(settings, f"vitrine.{old.name}") == {0: 2}
    assert sum(isinstance(moment, Settled) for moment in member.moments) == 4


def test_reading_pauses_while_enough_is_under_way_and_goes_on(kafka):
    settings, store = quick(kafka(2), in_flight_records=20, batch_size=4), FailingStore()
    view = made(store)
    store.failures = 1 << 30
    publish(settings.kafka, [shown(f"p{n}") for n in range(100)])
    with serving(settings, store) as member:
        eventually(lambda: _polled(member) == 20)
        threading.Event().wait(1.0)
        assert _polled(member) == 20
        store.failures = 0
        eventually(lambda: member.outcomes["applied"] == 100)
        assert max(member.applied.values()) == 1
    assert store.count(view.name) == 100


def test_a_large_record_pauses_reading_by_its_bytes(kafka):
    settings, store = quick(kafka(), in_flight_bytes=10_000), FailingStore()
    made(store)
    store.failures = 1 << 30
    with serving(settings, store) as member:
        eventually(lambda: member.committed == {0: 0})
        for n in range(10):
            publish(settings.kafka, [shown(f"p{n}")])
        eventually(lambda: _polled(member) >= 10_000 // _size(shown("p0")))
        threading.Event().wait(1.0)
        assert _polled(member) < 10
        store.failures = 0
        eventually(lambda: member.outcomes["applied"] == 10)


def test_health_and_metrics_are_told_over_http(kafka, caplog):
    caplog.set_level(logging.INFO, "streaming")
    settings, store = quick(kafka()), MemoryStore()
    view = made(store)
    with serving(settings, store) as member:
        eventually(lambda: member.committed == {0: 0})
        publish(settings.kafka, [shown("a"), Message(b"p", b"{")])
        eventually(lambda: member.committed == {0: 2})
        port = next(record.args[1] for record in caplog.records if record.msg.startswith("health"))
        assert _get(port, "/live") == (200, "ok\n")
        assert _get(port, "/ready") == (200, "ok\n")
        assert _get(port, "/secret")[0] == 404
        metrics = _get(port, "/metrics")[1]
    for line in (
        'vitrine_stream_records_total{outcome="applied"} 1.0',
        'vitrine_stream_records_total{outcome="dead"} 1.0',
        'vitrine_stream_rejects_total{reason="bad_event"} 1.0',
        "vitrine_stream_images_embedded_total 1.0",
        "vitrine_stream_assigned_partitions 1.0",
        'vitrine_stream_lag_records{partition="0"} 0.0',
        "vitrine_stream_freshness_seconds_count 1.0",
        f'vitrine_stream_view{{collection="{view.name}",model="fake"}} 1.0',
    ):
        assert line in metrics
    assert 'vitrine_stream_stage_seconds{stage="write"}' in metrics


def test_a_record_of_8_megabytes_is_taken_in(kafka):
    settings, store = quick(kafka()), MemoryStore()
    made(store)
    large = PICTURE + bytes(8_000_000)
    event = ListingEvent(op="upsert", product_id="p", version=1, images=carried([large]))
    publish(settings.kafka, [encode(event, {sha256(large): large}), shown("q")])
    with serving(settings, store) as member:
        eventually(lambda: member.committed == {0: 2})
        assert member.outcomes == {"applied": 2}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"topic": "no-such-topic"}, "no topic no-such-topic"),
        ({"dlq_topic": "no-such-topic"}, "no topic no-such-topic"),
        ({"bootstrap": ["127.0.0.1:9"], "bootstrap_timeout_s": 1.0}, "127.0.0.1:9"),
    ],
)
def test_a_kafka_that_is_not_as_the_settings_say_ends_the_start_in_one_line(kafka, change, said):
    store = MemoryStore()
    made(store)
    assert said in refused(quick(kafka().model_copy(update=change)), store)


def test_without_the_alias_the_service_does_not_start(kafka):
    assert "there is no alias products" in refused(quick(kafka()), MemoryStore())


def test_without_the_ledger_the_service_does_not_start(kafka):
    store = MemoryStore()
    view = made(store)
    store.drop(view.ledger)
    assert f"has lost its ledger {view.ledger}" in refused(quick(kafka()), store)


def test_a_collection_of_other_contents_is_refused(kafka):
    store = MemoryStore()
    facts = collections.Facts("products", "a", "fake", 2, "2026-01-01", contents=schema.Contents.RELATED)
    collections.swap(store, "products", collections.create(store, facts).name)
    assert "serves related, not products" in refused(quick(kafka()), store)


def test_a_port_that_is_taken_is_told(kafka):
    store = MemoryStore()
    made(store)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}" in refused(quick(kafka(), port=port), store)


def test_an_input_that_is_broken_ends_the_service(kafka):
    settings, store = quick(kafka(), stop_after_bad=5), MemoryStore()
    made(store)
    publish(settings.kafka, [Message(b"p", b"{")] * 5)
    assert "5 records in a row hold no usable event" in refused(settings, store)


def test_a_delete_takes_a_product_away(kafka):
    settings, store = quick(kafka()), MemoryStore()
    view = made(store)
    publish(settings.kafka, [shown("a", 1), listed("a", 2, op="delete")])
    with serving(settings, store) as member:
        eventually(lambda: member.committed == {0: 2})
    assert store.count(view.name) == 0
    assert store.count(view.ledger) == 1


def _polled(member) -> int:
    return sum(len(moment.places) for moment in member.moments if isinstance(moment, Polled))


def _size(message: Message) -> int:
    record: Taken = taken(0, message=message)
    return record.size_bytes


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
