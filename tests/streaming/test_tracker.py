"""Which records are under way, and what may be committed."""

from hypothesis import given
from hypothesis import strategies as st

from streaming.moments import Place
from streaming.tracker import Load, Tracker
from tests.streaming.records import taken


def reading(*offsets: int, start: int = 0) -> Tracker:
    tracker = Tracker()
    tracker.begin({0: start})
    assert all(tracker.polled(taken(offset)) for offset in offsets)
    return tracker


def test_only_what_has_ended_without_a_gap_is_committed():
    tracker = reading(0, 1, 2)
    assert tracker.settle(taken(1))
    assert tracker.committable() == {0: 0}
    assert tracker.settle(taken(0))
    assert tracker.committable() == {0: 2}


def test_offsets_that_the_log_leaves_out_hold_nothing_up():
    tracker = reading(0, 4, 9)
    for offset in (0, 4, 9):
        tracker.settle(taken(offset))
    assert tracker.committable() == {0: 10}


def test_a_partition_from_which_nothing_came_is_committed_where_its_reading_began():
    assert reading(start=7).committable() == {0: 7}


def test_what_an_earlier_epoch_ends_does_not_count():
    tracker = reading(0, 1)
    tracker.begin({0: 0})
    tracker.polled(taken(0, epoch=2))
    assert not tracker.settle(taken(0, epoch=1))
    assert tracker.committable() == {0: 0}
    assert tracker.settle(taken(0, epoch=2))


def test_a_record_ends_once():
    tracker = reading(0)
    assert tracker.settle(taken(0))
    assert not tracker.settle(taken(0))
    assert tracker.load().records == 0


def test_a_record_of_a_partition_that_has_left_is_not_accounted_for():
    tracker = reading()
    tracker.end()
    assert not tracker.polled(taken(0))
    assert tracker.committable() == {}


def test_the_load_is_told_in_records_and_bytes_and_by_its_oldest():
    tracker = Tracker()
    tracker.begin({0: 0, 1: 0})
    tracker.polled(taken(0, timestamp_ms=7))
    tracker.polled(taken(0, partition=1, timestamp_ms=5))
    size = taken(0).size_bytes
    assert tracker.load() == Load(records=2, size_bytes=2 * size, oldest_us=5_000, uncommitted=2)
    tracker.settle(taken(0, partition=1))
    assert tracker.load() == Load(records=1, size_bytes=size, oldest_us=7_000, uncommitted=2)


def test_a_kill_costs_what_was_polled_and_not_committed():
    tracker = reading(0, 1, 2)
    tracker.settle(taken(0))
    assert (tracker.ended(), tracker.load().uncommitted) == (1, 3)
    tracker.committed({0: 1}, 1)
    assert (tracker.ended(), tracker.load().uncommitted) == (0, 2)


def test_a_commit_of_an_earlier_epoch_changes_nothing():
    tracker = reading(0)
    tracker.begin({0: 0})
    tracker.committed({0: 1}, 1)
    assert tracker.ended() == 0


def test_the_first_records_after_an_assignment_are_known():
    tracker = reading(start=10)
    assert tracker.is_among_first(Place(0, 12), 3)
    assert not tracker.is_among_first(Place(0, 13), 3)
    assert not tracker.is_among_first(Place(1, 10), 3)


@given(st.data())
def test_what_is_committed_is_the_lowest_offset_that_has_not_ended(data):
    offsets = sorted(data.draw(st.sets(st.integers(0, 60), min_size=1)))
    order = data.draw(st.permutations(offsets))
    came = data.draw(st.integers(0, len(offsets)))
    tracker, ended = reading(*offsets[:came]), set[int]()
    for offset in order:
        if offset in offsets[:came]:
            tracker.settle(taken(offset))
            ended.add(offset)
            left = [one for one in offsets[:came] if one not in ended]
            assert tracker.committable() == {0: min(left, default=offsets[came - 1] + 1)}
