"""Retries: by the class of the error, within patience."""

import pytest

from vitrine.errors import BadInput, Unavailable, VitrineError
from vitrine.retry import LONGEST_PAUSE_S, again


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Failing:
    """Fails with these errors, one a call, then answers."""

    def __init__(self, *errors: VitrineError) -> None:
        self.errors = list(errors)

    def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def test_a_call_that_passes_is_made_once() -> None:
    time = Time()
    assert again(Failing(), patience_s=0, clock=time.clock, sleep=time.sleep) == "answer"
    assert time.pauses == []


def test_an_outage_shorter_than_patience_is_outlasted_with_growing_pauses() -> None:
    time = Time()
    outage = [Unavailable("away")] * 8
    assert again(Failing(*outage), patience_s=300, clock=time.clock, sleep=time.sleep) == "answer"
    limits = [0.5, 1, 2, 4, 8, 15, 15, 15]
    assert all(limit / 2 <= pause <= limit for pause, limit in zip(time.pauses, limits, strict=True))
    assert max(time.pauses) <= LONGEST_PAUSE_S


def test_patience_ends_with_the_last_error() -> None:
    time = Time()
    outage = [Unavailable(f"away {number}") for number in range(1_000)]
    with pytest.raises(Unavailable) as raised:
        again(Failing(*outage), patience_s=60, clock=time.clock, sleep=time.sleep)
    assert str(raised.value) == f"away {len(time.pauses)}"
    assert sum(time.pauses) == pytest.approx(60)


def test_an_error_that_stays_is_not_waited_for() -> None:
    time = Time()
    with pytest.raises(BadInput):
        again(Failing(BadInput("wrong")), patience_s=300, clock=time.clock, sleep=time.sleep)
    assert time.pauses == []
