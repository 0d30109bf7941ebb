"""What the service lets the log say."""

import logging

from streaming.operating import Sparing


def record(name: str, what: str = "refused %s") -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, __file__, 1, what, ("by the broker",), None)


def test_the_client_library_says_each_thing_once_a_minute_and_we_say_ours_always():
    now_s = 0.0
    sparing = Sparing(clock=lambda: now_s)
    names = ["kafka.net.manager", "kafka.net.manager", "kafka.cluster", "streaming", "streaming"]
    assert [sparing.filter(record(name)) for name in names] == [True, False, True, True, True]
    assert sparing.filter(record("kafka.net.manager", "no permission"))
    now_s = 61.0
    assert sparing.filter(record("kafka.net.manager"))
