"""What a run itself refuses, before the checker looks at it."""

from types import SimpleNamespace

import pytest

from tests.streaming.proof.evidence import Stop
from tests.streaming.proof.stage import require_none_left_by_itself


def member(*, alive: bool = False, stop: Stop | None = None) -> SimpleNamespace:
    return SimpleNamespace(name="member-1", alive=alive, stop=stop, words=lambda: "Traceback")


def test_a_member_that_ended_by_itself_fails_the_run() -> None:
    require_none_left_by_itself([member(alive=True), member(stop=Stop(1.0, "member-1", graceful=False))])
    with pytest.raises(AssertionError, match="member-1 ended by itself: Traceback"):
        require_none_left_by_itself([member(alive=True), member()])
