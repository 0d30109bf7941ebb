"""How long a question may take."""

import math

import pytest

from vitrine.errors import Unavailable
from vitrine.index.waiting import Wait


def test_a_question_may_take_its_time_out():
    assert Wait("here", 60.0)() == 60.0


def test_no_question_goes_beyond_the_end():
    assert 0 < Wait("here", 60.0).within(5.0)() <= 5.0
    assert Wait("here", 2.0).within(5.0)() == 2.0


def test_an_end_may_come_nearer_but_not_go_away():
    near = Wait("here", 60.0).within(5.0)

    assert near.within(100.0).ends_s == near.ends_s
    assert near.within(1.0).ends_s < near.ends_s < math.inf


def test_when_no_time_is_left_nobody_is_asked():
    with pytest.raises(Unavailable, match="here did not answer in the time that was given"):
        Wait("here", 60.0).within(0.0)()
