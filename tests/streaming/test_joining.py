"""A defect of the client library that leaves a member without partitions for ever, and what keeps it from that."""

import time
from contextlib import closing, suppress

import pytest
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.errors import NoOffsetForPartitionError
from kafka.structs import MemberState

from streaming.joining import Joining
from tests.brokers import LEAKY
from tests.streaming.plumbing import eventually
from vitrine import broker
from vitrine.errors import Unavailable

pytestmark = LEAKY

PATIENCE_S = 3.0


def assigned_after_growth(kafka, keep: bool) -> int:
    """How many partitions a member has after its topic grew from one to two, and a poll ended while it joined."""
    settings = kafka()
    with closing(broker.consumer(settings, group=settings.topic, metadata_max_age_ms=300)) as consumer:
        joining = Joining(consumer, longest_s=PATIENCE_S)
        consumer.subscribe([settings.topic])
        consumer.partitions_for_topic(settings.topic)
        _poll_until(consumer, 1, None)
        with closing(KafkaAdminClient(bootstrap_servers=settings.bootstrap)) as admin:
            admin.create_partitions({settings.topic: 2})
        coordinator = consumer._coordinator
        eventually(lambda: _poll(consumer, 1) or coordinator.rejoining)
        eventually(lambda: coordinator._join_task.is_done)
        return _poll_until(consumer, 2, joining if keep else None)


def _poll_until(consumer: KafkaConsumer, partitions: int, joining: Joining | None) -> int:
    end_s = time.monotonic() + (30 if partitions == 1 else PATIENCE_S)
    while len(consumer.assignment()) < partitions and time.monotonic() < end_s:
        _poll(consumer, 300)
        if joining:
            joining.look()
    return len(consumer.assignment())


def _poll(consumer: KafkaConsumer, timeout_ms: int) -> None:
    with suppress(NoOffsetForPartitionError):
        consumer.poll(timeout_ms)


def test_the_library_forgets_a_join_that_a_poll_did_not_wait_for(kafka):
    """Where this fails the library was repaired, and `Joining` is not needed any more."""
    assert assigned_after_growth(kafka, keep=False) == 1


def test_a_member_that_keeps_joining_gets_its_partitions(kafka):
    assert assigned_after_growth(kafka, keep=True) == 2


def test_a_group_that_does_not_settle_is_told():
    now_s = [0.0]
    joining = Joining(_Stuck(), longest_s=10.0, clock=lambda: now_s[0])
    for now_s[0] in (1.0, 11.0):
        joining.look()
    now_s[0] = 11.1
    with pytest.raises(Unavailable, match="the group g has not settled for 10 s"):
        joining.look()


class _Stuck:
    """A consumer of the library that is about to join for ever."""

    def __init__(self) -> None:
        self._coordinator = self
        self.group_id = "g"
        self.state = MemberState.REBALANCING

    def need_rejoin(self) -> bool:
        return True
