"""The right to write."""

import threading

import pytest

from streaming.lease import Fenced, Lease


class Group:
    """A member's epoch and clock, set by hand."""

    def __init__(self) -> None:
        self.epoch = 1
        self.now_s = 100.0
        self.lease = Lease(lambda: self.epoch, within_s=10.0, clock=lambda: self.now_s)


@pytest.fixture
def group() -> Group:
    return Group()


def may_write(group: Group, epoch: int = 1) -> bool:
    try:
        with group.lease.writing(epoch) as check:
            check()
    except Fenced:
        return False
    return True


def test_nothing_is_written_before_a_commit_was_acknowledged(group):
    assert not may_write(group)
    group.lease.renew(1, group.now_s)
    assert may_write(group)


def test_a_commit_allows_writing_for_so_long_from_when_it_was_asked_for(group):
    group.lease.renew(1, 100.0)
    group.now_s = 109.9
    assert may_write(group)
    group.now_s = 110.0
    assert not may_write(group)


def test_a_batch_of_an_earlier_epoch_is_not_written(group):
    group.lease.renew(1, group.now_s)
    group.epoch = 2
    assert not may_write(group, epoch=1)
    assert not may_write(group, epoch=2), "a commit of the earlier epoch says nothing of this one"
    group.lease.renew(2, group.now_s)
    assert may_write(group, epoch=2)
    assert not may_write(group, epoch=1)


def test_a_batch_that_is_being_written_ends_and_no_other_begins_while_partitions_leave(group):
    group.lease.renew(1, group.now_s)
    with group.lease.writing(1) as check:
        group.lease.close()
        check()
        assert not group.lease.idle
    assert group.lease.idle
    assert not may_write(group)
    group.lease.open()
    assert may_write(group)


def test_writing_waits_for_the_commit(group):
    waited: list[bool] = []
    thread = threading.Thread(target=lambda: waited.append(group.lease.wait(1, 30.0)))
    thread.start()
    group.lease.renew(1, group.now_s)
    thread.join()
    assert waited == [True]
    assert not group.lease.wait(2, 0.0)
