"""Members of one group on a real broker: nothing is lost when partitions move, and no position is invented."""

import threading

import pytest
from kafka import KafkaAdminClient, TopicPartition

from deploy.local import kafka as local_kafka
from streaming.moments import Assigned, Batched, Retried, Revoking, RowsWritten
from tests.brokers import LEAKY, topics_on
from tests.streaming.plumbing import SharedStore, eventually, made
from tests.streaming.records import listed
from tests.streaming.serving import Member, publish, quick, refused, serving
from vitrine import broker
from vitrine.settings import Kafka
from vitrine.testing import MemoryStore

pytestmark = LEAKY


def stated(products: int, version: int = 1) -> list:
    return [listed(f"p{n}", version, op="delete") for n in range(products)]


def trimmed(kafka: Kafka, offset: int) -> None:
    """Take away what the log of partition 0 holds before an offset, as retention does."""
    client = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    client.delete_records({TopicPartition(kafka.topic, 0): offset})
    client.close()


def test_two_members_share_the_partitions_and_each_record_ends(kafka):
    settings, store = quick(kafka(4)), SharedStore()
    made(store)
    with serving(settings, store) as first:
        eventually(lambda: first.partitions == {0, 1, 2, 3})
        with serving(settings, store) as second:
            eventually(lambda: second.partitions and first.partitions | second.partitions == {0, 1, 2, 3})
            eventually(lambda: not first.partitions & second.partitions)
            publish(settings.kafka, stated(200))
            eventually(lambda: len(first.applied | second.applied) == 200)
        eventually(lambda: first.partitions == {0, 1, 2, 3})
        publish(settings.kafka, stated(100, version=2))
        eventually(lambda: len(first.applied | second.applied) == 300)
    assert sum((first.applied + second.applied).values()) == 300


def test_records_under_way_when_partitions_move_are_read_again(kafka):
    """The library keeps a kept partition's position over a rebalance: what was dropped would be lost."""
    settings, store = quick(kafka(2), batch_age_s=2.0), SharedStore()
    made(store)
    with serving(settings, store) as first:
        eventually(lambda: first.partitions == {0, 1})
        publish(settings.kafka, stated(60))
        eventually(lambda: first.moments and sum(map(len, map(_places, first.moments))) == 60)
        with serving(settings, store) as second:
            eventually(lambda: second.partitions)
            eventually(lambda: len(first.applied | second.applied) == 60)
    assert any(isinstance(moment, Revoking) for moment in first.moments)


def test_a_batch_that_is_being_written_ends_before_its_partitions_leave(kafka):
    settings, store = quick(kafka(2)), SharedStore()
    made(store)
    writing, go_on = threading.Event(), threading.Event()

    def watch(moment: object) -> None:
        if isinstance(moment, RowsWritten):
            writing.set()
            go_on.wait(60)

    with serving(settings, store, watch) as first:
        publish(settings.kafka, stated(40))
        writing.wait(60)
        with serving(settings, store) as second:
            eventually(lambda: any(isinstance(moment, Revoking) for moment in first.moments))
            assert not second.partitions
            go_on.set()
            eventually(lambda: len(first.applied | second.applied) == 40)
    batch = next(moment for moment in first.moments if isinstance(moment, Batched))
    assert len(first.applied) >= batch.records
    assert max((first.applied + second.applied).values()) == 1


def test_a_member_whose_name_another_took_ends_and_writes_nothing_more(kafka):
    settings, store = quick(kafka(), member="a"), SharedStore()
    made(store)
    first = Member(settings, store).start()
    eventually(lambda: first.committed == {0: 0})
    with serving(settings, store) as second:
        eventually(lambda: second.committed == {0: 0})
        assert "another process runs as member a" in first.refusal()
        publish(settings.kafka, stated(3))
        eventually(lambda: second.committed == {0: 3})
    assert not first.applied


def test_a_named_member_that_comes_back_in_time_moves_no_partition(kafka):
    settings, store = quick(kafka(2), member="a"), SharedStore()
    made(store)
    beside = settings.model_copy(update={"stream": settings.stream.model_copy(update={"member": "b"})})
    with serving(beside, store) as other:
        with serving(settings, store) as first:
            eventually(lambda: first.partitions and other.partitions)
        with serving(settings, store) as again:
            eventually(lambda: again.partitions == first.partitions)
    assert sum(isinstance(moment, Assigned) and bool(moment.offsets) for moment in other.moments) <= 2


def test_commits_below_the_logs_start_end_the_view(kafka):
    settings, store = quick(kafka()), MemoryStore()
    view = made(store)
    publish(settings.kafka, stated(10))
    with broker.admin(settings.kafka) as admin:
        admin.commit(f"vitrine.{view.name}", settings.kafka.topic, {0: 3})
    trimmed(settings.kafka, 5)
    said = refused(settings, store)
    assert "offset 3 of" in said
    assert "the log begins at 5" in said


def test_commits_beyond_the_logs_end_end_the_view(kafka):
    settings, store = quick(kafka()), MemoryStore()
    view = made(store)
    with broker.admin(settings.kafka) as admin:
        admin.commit(f"vitrine.{view.name}", settings.kafka.topic, {0: 3})
    assert "is beyond the log's end 0" in refused(settings, store)


def test_a_log_that_begins_after_the_views_catalogue_ends_it(kafka):
    settings, store = quick(kafka()), MemoryStore()
    made(store)
    publish(settings.kafka, stated(10))
    trimmed(settings.kafka, 5)
    assert "begins at offset 5, after 2026-01-01T00:00:00+00:00" in refused(settings, store)


def test_a_gap_after_the_catalogue_can_be_accepted(kafka):
    settings, store = quick(kafka(), accept_gap=True), MemoryStore()
    made(store)
    publish(settings.kafka, stated(10))
    trimmed(settings.kafka, 5)
    with serving(settings, store) as member:
        eventually(lambda: member.committed == {0: 10})
        assert len(member.applied) == 5


def test_a_log_that_reaches_back_to_the_catalogue_is_read_from_its_beginning(kafka):
    settings, store = quick(kafka()), MemoryStore()
    made(store)
    with broker.Producer(settings.kafka) as producer:
        for n, message in enumerate(stated(10)):
            producer.send(settings.kafka.topic, message, timestamp_ms=1_700_000_000_000 + n)
    trimmed(settings.kafka, 5)
    with serving(settings, store) as member:
        eventually(lambda: member.committed == {0: 10})
        assert len(member.applied) == 5


@pytest.mark.slow
def test_an_outage_of_kafka_is_waited_for(tmp_path, require):
    from deploy.local import jars

    if jars.missing():
        require("kafka", jars.INSTALL)
    server = local_kafka.start(tmp_path / "kafka")
    try:
        settings, store = quick(topics_on(server, 2)), MemoryStore()
        made(store)
        with serving(settings, store) as member:
            publish(settings.kafka, stated(10))
            eventually(lambda: sum(member.committed.values()) == 10)
            server.kill()
            eventually(lambda: any(isinstance(moment, Retried) for moment in member.moments))
            server.restart()
            publish(settings.kafka, stated(10, version=2))
            eventually(lambda: sum(member.committed.values()) == 20)
            assert max(member.applied.values()) == 1
    finally:
        server.stop()


def _places(moment: object) -> tuple:
    return getattr(moment, "places", ())
