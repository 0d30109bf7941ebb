"""What streaming/README.md says is all that there is."""

import re
import signal
from pathlib import Path

import pytest

from streaming.metrics import PREFIX, Metrics
from streaming.minutes import Minutes
from streaming.moments import Outcome
from streaming.operating import stop_on_signals
from vitrine.flags import settings_table

README = (Path(__file__).parents[2] / "streaming/README.md").read_text()


def test_the_settings_table_is_that_of_the_settings_tree():
    table = README.partition("<!-- settings stream -->\n")[2].partition("\n<!-- /settings -->")[0]
    assert table == settings_table("stream")


def test_every_metric_is_documented():
    families = re.findall(rf"^# HELP {PREFIX}_(\S+)", Metrics().text().decode(), re.MULTILINE)
    assert families
    assert [name for name in families if not name.endswith("_created") and f"`{name}" not in README] == []


def test_the_line_of_a_minute_is_shown_with_all_that_it_says():
    shown = re.search(r"minute records=.*", README)[0]
    assert re.findall(r"(\w+)=", shown) == re.findall(r"(\w+)=", Minutes().line({}))


def test_every_outcome_is_documented():
    assert [str(outcome) for outcome in Outcome if str(outcome) not in README] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_for_the_end(number):
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        stop = stop_on_signals()
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.is_set()
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
