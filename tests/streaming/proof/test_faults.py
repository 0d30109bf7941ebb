"""Thirty seeded runs of the real service, each under a fault; every one must end with nothing to say against it."""

import pytest

from tests.brokers import LEAKY
from tests.streaming.proof.checker import check
from tests.streaming.proof.faults import FAULTS
from tests.streaming.proof.stage import Play, perform
from tests.streaming.proof.violation import told
from tests.streaming.proof.workload import Shape, immortals, workload
from vitrine.testing import FakeEmbedder

pytestmark = LEAKY

SHAPE = Shape(products=80)
MORTAL = {"broker_killed": "broker", "database_killed": "database"}
SETTLE_S = [2.0, 25.0]
"""When versions are read back; a run with a zombie rests until both checks have been made."""
RESTS = {"zombie": 40.0, "frozen_and_replaced": 40.0}
RUNS = [
    *((fault, seed) for fault in FAULTS for seed in (1, 2)),
    *((fault, 3) for fault in ("killed", "zombie", "storm", "broker_killed", "database_killed", "swapped")),
]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("fault", "seed"), RUNS)
def test_nothing_is_lost_resurrected_stale_or_wrong_under(fault, seed, mortal, tmp_path):
    play = Play(
        workload(seed, SHAPE),
        FAULTS[fault],
        per_second=20,
        immortal=immortals(SHAPE),
        rest_s=RESTS.get(fault, 0.0),
        stream={"settle_s": SETTLE_S},
    )

    evidence = perform(play, tmp_path, mortal(MORTAL.get(fault, "")))

    assert told(check(evidence, FakeEmbedder())) == ""
