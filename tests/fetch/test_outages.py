import pytest

from vitrine.errors import BadRecord
from vitrine.fetch.outages import Outages


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_server_is_left_alone_only_after_it_was_silent_for_long() -> None:
    clock = Clock()
    outages = Outages(patience_s=30, pause_s=60, clock=clock)
    for moment in (5.0, 20.0, 34.9):
        clock.now = moment
        outages.note("a", answered=False)
        outages.check("a")
    clock.now = 35.0
    outages.note("a", answered=False)
    with pytest.raises(BadRecord, match=r"fetch_failed: a does not answer; asked again in 60 s"):
        outages.check("a")
    outages.check("b")


def test_it_is_asked_again_after_the_pause_and_left_alone_again_if_it_is_still_silent() -> None:
    clock = Clock()
    outages = Outages(patience_s=0, pause_s=60, clock=clock)
    outages.note("a", answered=False)
    clock.now = 60.0
    outages.check("a")
    outages.note("a", answered=False)
    with pytest.raises(BadRecord, match="asked again in 60 s"):
        outages.check("a")


def test_an_answer_ends_the_silence() -> None:
    clock = Clock()
    outages = Outages(patience_s=30, pause_s=60, clock=clock)
    outages.note("a", answered=False)
    clock.now = 29.0
    outages.note("a", answered=True)
    clock.now = 58.0
    outages.note("a", answered=False)
    outages.check("a")
