"""The checker on a tiny reference: silent on what is right, loud on every planted fault and every broken invariant."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.streaming.proof import reference
from tests.streaming.proof.checker import check
from tests.streaming.proof.evidence import Bounds, CommitSample, Evidence, Look, Stop, View
from tests.streaming.proof.reference import COLLECTION, GROUP, Plant
from tests.streaming.proof.violation import Violation, counted
from tests.streaming.proof.workload import Shape, immortals, workload
from vitrine.testing import FakeEmbedder

SHAPE = Shape(products=40)
SEEDS = range(12)


def played(seed: int, plant: Plant = Plant.NONE) -> Evidence:
    return reference.run(workload(seed, SHAPE), seed, plant, immortal=immortals(SHAPE))


def found(evidence: Evidence) -> list[Violation]:
    return check(evidence, FakeEmbedder())


def invariants(evidence: Evidence) -> set[str]:
    return {violation.invariant for violation in found(evidence)}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_right_service_passes_whatever_its_members_suffer(seed):
    assert found(played(seed)) == []


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        (Plant.NO_SEEK, "lost"),
        (Plant.COMMIT_FIRST, "lost"),
        (Plant.NO_GUARD, "stale"),
        (Plant.BOUNDED, "stale"),
        (Plant.NO_COALESCING, "stale"),
        (Plant.TWO_BATCHES, "stale"),
        (Plant.STORED_LIST, "orphan"),
        (Plant.BYTES_LOST, "lost"),
        (Plant.DLQ_UNACKNOWLEDGED, "lost"),
        (Plant.EQUAL_DROPPED, "resurrected"),
    ],
)
def test_each_planted_fault_is_found(plant, kind):
    assert any(counted(found(played(seed, plant)))[kind] for seed in SEEDS)


def test_a_final_state_alone_hides_lost_events():
    sent = workload(1, Shape(products=10))
    told_again = [*sent, *sent, *sent]
    runs = (reference.run(told_again, seed, Plant.NO_SEEK) for seed in range(50))
    assert any(invariants(run) == {"I4", "I5"} for run in runs)


@pytest.fixture(scope="module")
def right() -> Evidence:
    return played(1)


def rows_changed(evidence: Evidence, change: Callable[[list[dict]], list[dict]]) -> Evidence:
    view = evidence.views[COLLECTION]
    rows = change([dict(row) for row in view.rows])
    return replace(evidence, views={COLLECTION: replace(view, rows=rows, count=len(rows))})


def first(**changes: object) -> Callable[[list[dict]], list[dict]]:
    return lambda rows: [{**rows[0], **changes}, *rows[1:]]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda rows: rows[1:], "lost"),
        (lambda rows: [*rows, rows[0]], "double"),
        (lambda rows: [*rows, {**rows[0], "image_id": f"{rows[0]['product_id']}/9", "position": 9}], "orphan"),
        (lambda rows: [*rows, {**rows[0], "image_id": "never/0", "product_id": "never", "position": 0}], "orphan"),
        (first(version=-1), "stale"),
        (first(title="as of long ago"), "stale"),
        (lambda rows: [{**rows[0], "vector": -rows[0]["vector"]}, *rows[1:]], "wrong vector"),
        (first(image_sha256="00" * 32), "wrong vector"),
    ],
)
def test_each_fault_of_the_rows_is_found(right, change, kind):
    assert counted(found(rows_changed(right, change)))[kind]


def test_a_row_of_a_deleted_product_is_resurrected(right):
    gone = next(row["product_id"] for row in right.views[COLLECTION].ledger if row["deleted"])
    back = rows_changed(
        right, lambda rows: [*rows, {**rows[0], "product_id": gone, "image_id": f"{gone}/0", "position": 0}]
    )
    assert counted(found(back))["resurrected"]


def right_with(evidence: Evidence, view: View) -> Evidence:
    return replace(evidence, views={COLLECTION: view})


def test_a_missing_ledger_row_is_found(right):
    view = right.views[COLLECTION]
    assert "I1" in invariants(right_with(right, replace(view, ledger=view.ledger[1:])))


def test_a_ledger_row_of_an_old_version_is_found(right):
    view = right.views[COLLECTION]
    old = [{**view.ledger[0], "version": -1}, *view.ledger[1:]]
    assert "I1" in invariants(right_with(right, replace(view, ledger=old)))


def test_a_count_that_is_not_that_of_the_rows_is_found(right):
    view = right.views[COLLECTION]
    assert invariants(right_with(right, replace(view, count=view.count + 1))) == {"I8"}


def test_a_version_that_falls_is_found(right):
    looks = [Look(1.0, COLLECTION, {"a": 2}, {}), *(Look(at, COLLECTION, {"a": 1}, {}) for at in (2.0, 3.0))]
    assert invariants(replace(right, looks=looks)) == {"I2"}


def test_a_version_that_falls_in_one_look_alone_is_the_servers_fault(right):
    looks = [Look(float(at), COLLECTION, {"a": version}, {}) for at, version in enumerate((2, 1, 2, 3))]
    assert found(replace(right, looks=looks)) == []


def test_a_product_that_comes_back_below_its_delete_is_found(right):
    looks = [Look(1.0, COLLECTION, {}, {"a": 2}), Look(2.0, COLLECTION, {"a": 2}, {})]
    assert invariants(replace(right, looks=looks)) == {"I3"}


def test_a_product_that_is_still_in_sight_while_its_delete_is_written_is_none(right):
    looks = [Look(1.0, COLLECTION, {"a": 1}, {"a": 2}), Look(2.0, COLLECTION, {"a": 1}, {"a": 2})]
    assert found(replace(right, looks=looks)) == []


def test_an_offset_that_is_committed_before_its_end_is_found(right):
    ended = min(entry.at for entry in right.journal if entry.what == "outcome")
    early = CommitSample(ended - 1, GROUP, {0: 1, 1: 1, 2: 1}, {0: 1, 1: 1, 2: 1})
    assert "I4" in invariants(replace(right, commits=[early, *right.commits]))


def test_a_record_without_an_end_is_found(right):
    last = max(right.records, key=lambda record: record.offset)
    journal = [entry for entry in right.journal if tuple(entry.facts.get("place", ())) != last.place]
    assert "I5" in invariants(replace(right, journal=journal))


def test_an_outcome_that_the_store_does_not_bear_out_is_found(right):
    journal = [entry for entry in right.journal if entry.what not in ("writing", "written")]
    assert invariants(replace(right, journal=journal)) == {"I5"}


def test_a_lost_dead_letter_is_found(right):
    assert counted(found(replace(right, dead=right.dead[1:])))["lost"]


def test_a_dead_letter_with_other_bytes_is_found(right):
    other = replace(right.dead[0], value=b"other")
    assert invariants(replace(right, dead=[other, *right.dead[1:]])) == {"I6"}


def test_a_lag_in_the_end_and_a_late_end_are_found(right):
    last = right.commits[-1]
    lagging = replace(last, offsets={**last.offsets, 0: last.offsets[0] - 1}, at=last.at + 1)
    assert "I7" in invariants(replace(right, commits=[*right.commits, lagging]))
    assert invariants(replace(right, healed_at=0.0, settled_at=61.0)) == {"I7"}


def test_a_failed_search_and_a_vanished_product_are_found(right):
    failed = Look(1.0, COLLECTION, {}, {}, error="no such alias")
    assert invariants(replace(right, looks=[failed])) == {"I9"}
    assert found(replace(right, looks=[failed], outages=[(0.5, 1.5)])) == []
    vanished = [Look(1.0, COLLECTION, {"always-1": 5}, {}), Look(2.0, COLLECTION, {}, {})]
    assert invariants(replace(right, looks=vanished)) == {"I9"}


def test_a_commit_that_falls_is_found(right):
    last = right.commits[-1]
    fallen = [replace(last, offsets={**last.offsets, 0: 0}, at=last.at + 1), replace(last, at=last.at + 2)]
    assert invariants(replace(right, commits=[*right.commits, *fallen])) == {"I11"}


def test_records_done_again_after_a_graceful_stop_are_found():
    evidence = played(0)
    done = next(entry for entry in evidence.journal if entry.what == "outcome")
    again = replace(done, at=evidence.journal[-1].at + 3, member="the next")
    stop = Stop(done.at + 0.5, done.member, graceful=True)
    assert invariants(replace(evidence, journal=[*evidence.journal, again], stops=[stop])) == {"I12"}
    killed = replace(stop, graceful=False)
    assert found(replace(evidence, journal=[*evidence.journal, again], stops=[killed])) == []
    none_allowed = replace(evidence.bounds, in_flight=0)
    costly = replace(evidence, journal=[*evidence.journal, again], stops=[killed], bounds=none_allowed)
    assert invariants(costly) == {"I12"}


def test_a_partition_that_stands_still_is_found(right):
    ends = {0: 5, 1: 0, 2: 0}
    moved = replace(right.commits[-1], at=right.commits[-1].at + 100)
    still = [CommitSample(moved.at - 40 + second, GROUP, {0: 0}, ends) for second in range(40)]
    assert invariants(replace(right, commits=[*still, moved], bounds=Bounds(idle_s=30))) == {"I13"}
    assert found(replace(right, commits=[*still, moved], bounds=Bounds(idle_s=60))) == []
