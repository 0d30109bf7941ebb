"""The checker on the real service with one rule taken out of it: each must be found."""

from functools import partial

import pytest

from tests.streaming.proof.checker import check
from tests.streaming.proof.faults import joined, killed, none
from tests.streaming.proof.reference import Plant
from tests.streaming.proof.stage import Fault, Play, perform
from tests.streaming.proof.violation import counted
from tests.streaming.proof.workload import Shape, immortals, workload
from vitrine.testing import FakeEmbedder

SHAPE = Shape(products=80)

CASES: list[tuple[Plant, Fault, str]] = [
    (Plant.NO_SEEK, joined, "lost"),
    (Plant.COMMIT_FIRST, partial(killed, seams=["after poll", "after embed"]), "lost"),
    (Plant.NO_GUARD, none, "stale"),
    (Plant.BOUNDED, none, "stale"),
    (Plant.NO_COALESCING, none, "stale"),
    (Plant.TWO_BATCHES, none, "stale"),
    (Plant.STORED_LIST, partial(killed, seams=["after commit"] * 2), "orphan"),
    (Plant.BYTES_LOST, none, "lost"),
    (Plant.DLQ_UNACKNOWLEDGED, partial(killed, seams=["after commit"] * 3), "lost"),
    (Plant.EQUAL_DROPPED, partial(killed, seams=["between rows and ledger"] * 4), "resurrected"),
]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("plant", "fault", "kind"), CASES)
def test_the_checker_finds(plant, fault, kind, servers, tmp_path):
    play = Play(workload(3, SHAPE), fault, per_second=20, immortal=immortals(SHAPE), plant=plant)

    evidence = perform(play, tmp_path, servers)

    assert counted(check(evidence, FakeEmbedder()))[kind]
