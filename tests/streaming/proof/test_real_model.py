"""A smaller run with the real network on drawn pictures, whose rows must hold what the pictures alone give."""

import pytest

from tests.streaming.proof.checker import check
from tests.streaming.proof.evidence import Bounds
from tests.streaming.proof.faults import killed
from tests.streaming.proof.pictures import drawn
from tests.streaming.proof.stage import Play, perform
from tests.streaming.proof.violation import told
from tests.streaming.proof.workload import Shape, immortals, workload
from vitrine.settings import Model, Pictures

SHAPE = Shape(products=30)
READY_S = 240.0
SEAMS = ("after embed", "between rows and ledger")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_lost_resurrected_stale_or_wrong_with_the_real_model(servers, tmp_path):
    from vitrine.vision.engine import engine_of
    from vitrine.vision.weights import resolve

    spec = resolve(Model()).spec
    play = Play(
        workload(1, SHAPE, draw=drawn),
        lambda stage: killed(stage, SEAMS),
        per_second=10,
        immortal=immortals(SHAPE),
        real=True,
        model_id=spec.model_id,
        dim=spec.dim,
        # Each member that takes over makes the model ready first.
        bounds=Bounds(in_flight=128, caught_up_s=READY_S, idle_s=READY_S),
    )

    evidence = perform(play, tmp_path, servers)

    engine = engine_of(spec.model_id, None, Pictures(), "cpu")
    assert told(check(evidence, engine)) == ""
