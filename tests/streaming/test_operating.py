"""What the service lets the log say."""

import logging

from streaming.operating import Sparing


def record(name: str) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, __file__, 1, "refused", None, None)


def test_each_logger_of_the_client_library_is_heard_once_a_minute_and_ours_always():
    now_s = 0.0
    sparing = Sparing(clock=lambda: now_s)
    names = ["kafka.net.manager", "kafka.net.manager", "kafka.cluster", "streaming", "streaming"]
    assert [sparing.filter(record(name)) for name in names] == [True, False, True, True, True]
    now_s = 61.0
    assert sparing.filter(record("kafka.net.manager"))
