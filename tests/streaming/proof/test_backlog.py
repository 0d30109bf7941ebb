"""A backlog of 100,000 events, and a kill in the middle of it."""

import pytest

from tests.streaming.proof.checker import check
from tests.streaming.proof.evidence import Bounds
from tests.streaming.proof.stage import Play, Stage, perform
from tests.streaming.proof.violation import told
from tests.streaming.proof.workload import Shape, immortals, workload
from vitrine.testing import FakeEmbedder

EVENTS = 100_000
IN_FLIGHT = 1_024
SHAPE = Shape(products=4_200, steps=40)
AS_IN_SERVICE = {"batch_size": 256, "batch_age_s": 0.2, "in_flight_records": IN_FLIGHT}
CAUGHT_UP_S = 900


def killed_on_the_way(stage: Stage) -> None:
    """A member starts when all is there, dies in the middle, and another goes on."""
    stage.producing.result()
    first = stage.start(static="one")
    stage.until(lambda: stage.done() > EVENTS // 3, "the first third", within_s=CAUGHT_UP_S)
    first.kill()
    stage.start(static="one")


@pytest.mark.slow
@pytest.mark.timeout(2 * CAUGHT_UP_S)
def test_a_backlog_is_caught_up_with_and_a_kill_costs_at_most_what_was_in_flight(servers, tmp_path):
    sent = workload(1, SHAPE)
    play = Play(
        sent,
        killed_on_the_way,
        per_second=1e9,
        immortal=immortals(SHAPE),
        look_every_s=10.0,
        stream=AS_IN_SERVICE,
        # A fetch brings up to 1 MiB of one partition, some thousand small records; meanwhile the others stand still.
        bounds=Bounds(in_flight=IN_FLIGHT, caught_up_s=CAUGHT_UP_S, idle_s=240.0),
    )

    evidence = perform(play, tmp_path, servers)

    assert len(evidence.records) >= EVENTS
    assert told(check(evidence, FakeEmbedder())) == ""
