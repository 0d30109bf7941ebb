"""The run of `make test`: the real service on a real broker and a real Milvus, killed at every seam of its loop."""

from collections import Counter

from tests.streaming.proof.checker import check
from tests.streaming.proof.faults import SEAMS, killed_everywhere
from tests.streaming.proof.stage import Play, perform
from tests.streaming.proof.violation import told
from tests.streaming.proof.workload import Shape, immortals, workload
from vitrine.testing import FakeEmbedder

SHAPE = Shape(products=80)


def test_nothing_is_lost_resurrected_stale_or_wrong_though_members_are_killed_at_every_seam(servers, tmp_path):
    play = Play(workload(1, SHAPE), killed_everywhere, per_second=20, immortal=immortals(SHAPE))

    evidence = perform(play, tmp_path, servers)

    outcomes = Counter(entry.facts["outcome"] for entry in evidence.journal if entry.what == "outcome")
    assert outcomes.keys() == {"applied", "superseded", "stale", "deleted", "dead"}
    assert sum(not stop.graceful for stop in evidence.stops) == len(SEAMS) + 2
    assert told(check(evidence, FakeEmbedder())) == ""
