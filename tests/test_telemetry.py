"""Stages, memory, progress and log lines."""

import io
import logging
import re
import sys
from collections.abc import Callable, Iterable

import psutil
import pytest

from vitrine.telemetry import Stages, configure_logging, peak_memory_bytes, progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def clock(*seconds: float) -> Callable[[], float]:
    """A clock that shows these times, one after another."""
    return iter(seconds).__next__


@pytest.fixture
def root_logger(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """The root logger without pytest's handlers, as a program finds it; put back afterwards."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    return root


def test_a_stage_sums_the_time_of_every_visit():
    stages = Stages(clock=clock(0, 2, 10, 13))
    for _ in range(2):
        with stages.stage("embed"):
            pass
    assert stages.seconds() == {"embed": 5}


def test_stages_stay_in_order_of_first_visit():
    stages = Stages()
    for name in ("plan", "embed", "plan", "load"):
        with stages.stage(name):
            pass
    assert list(stages.seconds()) == ["plan", "embed", "load"]


def test_a_stage_that_fails_has_taken_its_time():
    stages = Stages(clock=clock(0, 4))
    with pytest.raises(KeyError), stages.stage("load"):
        raise KeyError("load")
    assert stages.seconds() == {"load": 4}


def test_peak_memory_is_in_bytes():
    resident_bytes = psutil.Process().memory_info().rss
    assert 0.9 * resident_bytes < peak_memory_bytes() < 2 * psutil.virtual_memory().total


def lines_of(caplog: pytest.LogCaptureFixture, times: Iterable[float], updates: Iterable[int]) -> list[str]:
    caplog.set_level(logging.INFO)
    with progress("embed pictures", 60, "rows", stream=io.StringIO(), clock=clock(*times)) as shown:
        for done in updates:
            shown.update(done)
    return caplog.messages


def test_progress_off_a_terminal_is_at_most_a_line_in_ten_seconds_and_the_last(caplog):
    lines = lines_of(caplog, times=[0, 9.9, 10, 19.9, 20, 30], updates=[1, 20, 21, 40])
    assert lines == [
        "embed_pictures done=20 total=60 unit=rows seconds=10.0 per_second=2.0",
        "embed_pictures done=40 total=60 unit=rows seconds=20.0 per_second=2.0",
        "embed_pictures done=40 total=60 unit=rows seconds=30.0 per_second=1.3",
    ]


def test_progress_that_takes_no_time_has_its_last_line(caplog):
    assert lines_of(caplog, times=[5, 5], updates=[]) == [
        "embed_pictures done=0 total=60 unit=rows seconds=0.0 per_second=0.0"
    ]


def test_advance_adds_to_what_is_done(caplog):
    caplog.set_level(logging.INFO)
    with progress("load", 9, "rows", stream=io.StringIO()) as shown:
        shown.update(4)
        shown.advance()
        shown.advance(2)
    assert "done=7 total=9" in caplog.messages[-1]


def test_progress_on_a_terminal_is_a_bar(caplog, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    caplog.set_level(logging.INFO)
    terminal = Terminal()
    with progress("embed", 600, "rows", stream=terminal) as shown:
        shown.update(590)
        shown.advance(10)
    assert "600/600 rows" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue())
    assert caplog.messages == []


def test_log_lines_off_a_terminal_say_when_and_who(root_logger):
    stream = io.StringIO()
    configure_logging(stream)
    logging.getLogger("vitrine.run").info("run_started run=%s", "a")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO vitrine.run run_started run=a\n", stream.getvalue())


def test_log_lines_on_a_terminal_are_the_message_and_its_level_from_warnings_on(root_logger):
    stream = Terminal()
    configure_logging(stream)
    logging.getLogger("vitrine.run").info("run_started")
    logging.getLogger("vitrine.run").warning("rejects=3")
    assert stream.getvalue() == "run_started\nwarning: rejects=3\n"


def test_configuring_twice_writes_every_line_once(root_logger):
    first, second = io.StringIO(), io.StringIO()
    configure_logging(first)
    configure_logging(second)
    logging.getLogger("vitrine").info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


def test_without_a_stream_lines_follow_what_stderr_is(root_logger, monkeypatch):
    configure_logging()
    replaced = io.StringIO()
    monkeypatch.setattr(sys, "stderr", replaced)
    logging.getLogger("vitrine").info("above the bar")
    assert replaced.getvalue().endswith("above the bar\n")


def test_the_loggers_of_others_are_heard_from_warnings_on(root_logger):
    stream = io.StringIO()
    configure_logging(stream)
    logging.getLogger("faiss.loader").info("chatter")
    logging.getLogger("faiss.loader").warning("trouble")
    assert "chatter" not in stream.getvalue()
    assert "trouble" in stream.getvalue()


@pytest.mark.parametrize("name", ["py4j.clientserver", "grpc._server", "SQLQueryContextLogger"])
def test_loggers_that_repeat_what_is_raised_are_silent(root_logger, name):
    stream = io.StringIO()
    configure_logging(stream)
    logging.getLogger(name).error("Exception calling application")
    assert stream.getvalue() == ""
