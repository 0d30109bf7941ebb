"""What operators are told: metrics, the line of a minute, health."""

import asyncio
import urllib.error
import urllib.request

import pytest
from kafka import TopicPartition

from streaming import health
from streaming.ending import Ending
from streaming.membership import Membership
from streaming.metrics import Metrics
from streaming.minutes import Minutes
from streaming.moments import (
    Batched,
    Embedded,
    Gauged,
    Outcome,
    Place,
    Restored,
    Retried,
    Revoking,
    Settled,
)
from streaming.rebalancing import Rebalancing
from streaming.worker import Pulse, Worker
from vitrine.errors import BadInput
from vitrine.settings import Stream

NOW_S = 1_000.0


def settled(outcome: Outcome, age_s: float = 0.0, *reasons: str) -> Settled:
    return Settled(Place(0, 0), outcome, "p", 1, round((NOW_S - age_s) * 1e6), reasons)


def lines(metrics: Metrics) -> list[str]:
    return metrics.text().decode().splitlines()


def test_metrics_are_made_of_moments():
    metrics = Metrics(clock=lambda: NOW_S)
    for moment in (
        settled(Outcome.APPLIED, 2.5),
        settled(Outcome.STALE, 9_000.0),
        Settled(Place(0, 2), Outcome.STALE, "q", 1, cut=2),
        Settled(Place(0, 1), Outcome.DEAD, reasons=("bad_event",)),
        Batched(("p", "q"), 3, 100, 0.04),
        Embedded(("p",), 5),
        Retried("milvus", "away"),
        Restored("p", 1),
        Gauged(7, 900, round((NOW_S - 3) * 1e6), {0: 4}, paused=True),
    ):
        metrics(moment)
    said = lines(metrics)
    for line in (
        'vitrine_stream_records_total{outcome="applied"} 1.0',
        'vitrine_stream_records_total{outcome="deleted"} 0.0',
        'vitrine_stream_rejects_total{reason="bad_event"} 1.0',
        'vitrine_stream_freshness_seconds_bucket{le="3.0"} 1.0',
        "vitrine_stream_freshness_seconds_count 1.0",
        "vitrine_stream_batch_products_sum 2.0",
        "vitrine_stream_images_embedded_total 5.0",
        "vitrine_stream_texts_cut_total 2.0",
        'vitrine_stream_retries_total{where="milvus"} 1.0',
        "vitrine_stream_restored_total 1.0",
        "vitrine_stream_in_flight_records 7.0",
        "vitrine_stream_oldest_unapplied_seconds 3.0",
        'vitrine_stream_lag_records{partition="0"} 4.0',
        "vitrine_stream_paused 1.0",
    ):
        assert line in said


def test_partitions_that_left_have_no_lag_here():
    metrics = Metrics()
    metrics(Gauged(0, 0, 0, {3: 9}, paused=False))
    metrics(Revoking((3,)))
    assert not any("lag_records{" in line for line in lines(metrics))


def test_partitions_are_those_of_all_views_whichever_is_left():
    metrics, held = Metrics(), [2, 3]
    metrics.assigned(lambda: sum(held))
    assert "vitrine_stream_assigned_partitions 5.0" in lines(metrics)
    del held[0]
    metrics(Revoking((0, 1)))
    assert "vitrine_stream_assigned_partitions 3.0" in lines(metrics)


def test_partitions_that_were_lost_left_this_member_too():
    metrics = Metrics()
    member = Membership(Stream(), metrics)
    member.tracker.begin({3: 0})
    metrics(Gauged(0, 0, 0, {3: 9}, paused=False))
    rebalancing = Rebalancing(object(), member, forget=list, lost=list)
    asyncio.run(rebalancing.on_partitions_lost([TopicPartition("listings", 3)]))
    assert "vitrine_stream_rebalances_total 1.0" in lines(metrics)
    assert not any("lag_records{" in line for line in lines(metrics))
    assert member.tracker.positions() == {}


def test_a_minute_is_one_line_and_begins_anew():
    minutes = Minutes(clock=lambda: NOW_S)
    for age_s in (1.0, 2.0, 3.0):
        minutes(settled(Outcome.APPLIED, age_s))
    minutes(settled(Outcome.APPLIED, 2.0, "truncated", "corrupt"))
    minutes(Embedded(("p",), 4))
    minutes(Gauged(7, 900, round((NOW_S - 3) * 1e6), {0: 4, 1: 5}, paused=False))
    assert minutes.reject_ratio == 0.25
    assert minutes.line({"embed": 40.0, "write": 2.0}) == (
        "minute records=4 applied=4 superseded=0 stale=0 deleted=0 dead=0 rejects=2 images=4 lag=9 oldest_s=3.0 "
        "freshness_p50_s=2.00 freshness_p99_s=2.97 in_flight=7 slowest_stage=embed"
    )
    line = minutes.line({"embed": 41.0, "write": 5.0})
    assert line.startswith("minute records=0 applied=0 ")
    assert line.endswith("slowest_stage=write")
    assert minutes.reject_ratio == 0.0


def test_a_delete_counts_for_freshness_in_the_minute_as_in_the_metrics():
    minutes, metrics = Minutes(clock=lambda: NOW_S), Metrics(clock=lambda: NOW_S)
    for watch in (minutes, metrics):
        watch(settled(Outcome.DELETED, 2.0))
    assert " freshness_p50_s=2.00 " in minutes.line({})
    assert "vitrine_stream_freshness_seconds_count 1.0" in lines(metrics)


def test_health_says_what_is_wrong():
    trouble = ["away"]
    with health.served("127.0.0.1", 0, live=lambda: "", ready=lambda: trouble[0], metrics=lambda: b"x 1\n") as port:
        assert _get(port, "/live") == (200, "ok\n")
        assert _get(port, "/ready") == (503, "away\n")
        assert _get(port, "/metrics") == (200, "x 1\n")
        trouble[0] = ""
        assert _get(port, "/ready") == (200, "ok\n")


def test_an_address_of_another_machine_is_refused():
    with (
        pytest.raises(BadInput, match=r"cannot listen on 192\.0\.2\.1:0"),
        health.served("192.0.2.1", 0, live=str, ready=str, metrics=bytes),
    ):
        pass


def test_a_thread_is_silent_while_the_thing_under_way_does_not_get_on():
    now_s = [0.0]
    pulse = Pulse(lambda: now_s[0])
    now_s[0] = 50.0
    assert pulse.silence_s() == 0.0
    with pulse.working():
        now_s[0] = 80.0
        assert pulse.silence_s() == 30.0
        pulse.beat()
        assert pulse.silence_s() == 0.0
    assert pulse.worked_s == 30.0


def test_the_first_failure_ends_all_threads_and_is_the_one_that_counts():
    ending, first = Ending(), ValueError("first")

    def fail() -> None:
        raise first

    worker = Worker("fails", fail, ending)
    worker.start()
    worker.join()
    ending.fail(ValueError("second"))
    assert ending.over
    assert ending.failure is first


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
