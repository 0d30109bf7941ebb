"""What the bench of the stream measures: each case gives figures that JSON can hold."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import pairwise
from statistics import quantiles
from typing import Any

import numpy as np
import psutil

from tests.bench.machine import load_average
from tests.bench.stream_events import padded, publish, told_apart, upload
from tests.bench.stream_freshness import Searcher
from tests.bench.stream_stack import PARTITIONS, Sample, Service, Stack, serving, until_committed, watching
from vitrine import broker
from vitrine.embedding import Embedder, Vectors

Figures = dict[str, Any]

FAKE_DIM = 64
IN_FLIGHT = ("--in_flight_records=1024",)
FIRST = PARTITIONS * 1_100
"""After a start the service decodes up to `in_flight_records` of each partition apart; here that is not measured."""
PROBE_EVERY_S = 0.5
_SETTLING_S = 15.0
_BETWEEN_COMMITS_S = 0.7


def engine_rate(embedder: Embedder, pictures: Sequence[bytes]) -> Figures:
    """Pictures a second, of wall time and of CPU time, that the engine embeds with nothing beside it."""
    started_s, cpu_s = time.monotonic(), psutil.Process().cpu_times()
    for _ in embedder.embed(enumerate(pictures)):
        pass
    now = psutil.Process().cpu_times()
    spent_s = now.user + now.system - cpu_s.user - cpu_s.system
    return {
        "pictures_per_s": len(pictures) / (time.monotonic() - started_s),
        "pictures_per_cpu_s": len(pictures) / spent_s,
        "load_average": load_average(),
    }


def saturation(stack: Stack, embedder: Embedder, pictures: Sequence[bytes], events: int) -> Figures:
    """The service on a backlog of uploads, beside the engine alone before and after it."""
    before = engine_rate(embedder, pictures)
    with_first = events + FIRST
    taken = backlog(stack, with_first, lambda: told_apart(pictures, with_first), fake_dim=0, first=FIRST)
    after = engine_rate(embedder, pictures)
    alone = {name: (before[name] + after[name]) / 2 for name in ("pictures_per_s", "pictures_per_cpu_s")}
    return {
        "engine": [before, after],
        "service": taken,
        "service / engine, a second": taken["events_per_s"] / alone["pictures_per_s"],
        "service / engine, a CPU-second of its process": taken["events_per_cpu_s"] / alone["pictures_per_cpu_s"],
    }


def backlog(
    stack: Stack, events: int, pictures: Callable[[], Iterator[bytes]], *, fake_dim: int, first: int = 0
) -> Figures:
    """How fast the service works off uploads that were there before it; its rate is that after the `first` ones."""
    started_s = time.monotonic()
    publish(stack, pictures())
    published_s = time.monotonic() - started_s
    size_bytes = sum(map(len, pictures()))
    with serving(stack, IN_FLIGHT if first else (), fake_dim=fake_dim) as service, watching(service) as samples:
        until_committed(stack, events)
    lost = events - stack.rows()
    return {
        "events": events,
        "size_bytes": size_bytes,
        "published_per_s": events / published_s,
        "lost": lost,
        **rate(samples, size_bytes / events, first=first),
        "longest_without_commit_s": longest_pause(samples),
        "peak_rss_bytes": max(one.rss_bytes for one in samples),
        "load_average": load_average(),
    }


def freshness(stack: Stack, embedder: Embedder, pictures: Sequence[bytes], *, rate: float, seconds: float) -> Figures:
    """From sending to being found, while uploads come at a constant rate."""
    vectors = np.concatenate([batch.vectors for batch in embedder.embed(enumerate(pictures))])
    events = round(rate * seconds)
    with serving(stack, IN_FLIGHT) as service, Searcher(stack.settings.milvus) as searcher:
        until_committed(stack, publish(stack, told_apart(pictures, FIRST), named="W"))
        with watching(service) as samples:
            sent = _publish_and_seek(stack, pictures, vectors, searcher, rate=rate, events=events)
            until_committed(stack, FIRST + sent)
            _wait(lambda: not searcher.lost)
    cuts = quantiles(searcher.found_after_s, n=100, method="inclusive")
    return {
        "rate": rate,
        "events": sent,
        "probes": len(searcher.found_after_s),
        "not_found": searcher.lost,
        "p50_s": cuts[49],
        "p99_s": cuts[98],
        "longest_s": max(searcher.found_after_s),
        "longest_lag_records": max(one.published - one.committed for one in samples),
        "load_average": load_average(),
    }


def overload(stack: Stack, pictures: Sequence[bytes], *, rate: float, seconds: float) -> Figures:
    """Uploads at more than the service can take: how lag and memory go."""
    events = round(rate * seconds)
    with serving(stack) as service, watching(service) as samples:
        publish(stack, told_apart(pictures, events), rate=rate)
    third = len(samples) // 3
    parts = [samples[start : start + third] for start in (0, third, 2 * third)]
    return {
        "rate": rate,
        "events": events,
        "lag_records_by_thirds": [part[-1].published - part[-1].committed for part in parts],
        "peak_rss_bytes_by_thirds": [max(one.rss_bytes for one in part) for part in parts],
        "samples": [asdict(one) for one in samples[:: max(1, len(samples) // 60)]],
        "load_average": load_average(),
    }


def killed(stack: Stack, events: int, size_bytes: int) -> Figures:
    """A backlog after a restart: what a kill in the midst of it costs, and how the rest is caught up."""
    publish(stack, padded(events, size_bytes))
    first = Service(stack, fake_dim=FAKE_DIM)
    first.ready()
    with watching(first) as before:
        until_committed(stack, events // 3)
        time.sleep(_BETWEEN_COMMITS_S)
    first.kill()
    committed, applied = stack.committed(), stack.rows()
    with serving(stack, fake_dim=FAKE_DIM) as service, watching(service) as samples:
        started_s = time.monotonic()
        until_committed(stack, events)
        caught_up_s = time.monotonic() - started_s
    return {
        "events": events,
        "committed_at_kill": committed,
        "applied_again": applied - committed,
        "in_flight_bound": stack.settings.stream.in_flight_records,
        "caught_up_s": caught_up_s,
        "lost": events - stack.rows(),
        **rate(samples, size_bytes),
        "longest_without_commit_s": max(longest_pause(before), longest_pause(samples)),
        "peak_rss_bytes": max(one.rss_bytes for one in samples),
        "load_average": load_average(),
    }


def rate(samples: Sequence[Sample], event_bytes: float, first: int = 0) -> Figures:
    """Records committed a second between the first tenth and nine tenths of those after the `first` ones."""
    begun = max(first, samples[0].committed)
    left = samples[-1].committed - begun
    within = [one for one in samples if 0.1 * left <= one.committed - begun <= 0.9 * left]
    enough = within and within[-1].committed > within[0].committed
    start, end = (within[0], within[-1]) if enough else (samples[0], samples[-1])
    records, seconds = end.committed - start.committed, end.at_s - start.at_s
    return {
        "events_per_s": records / seconds,
        "mb_per_s": records * event_bytes / seconds / 1e6,
        "events_per_cpu_s": records / (end.cpu_s - start.cpu_s),
    }


def longest_pause(samples: Sequence[Sample]) -> float:
    """The longest time in seconds without a commit that moved, of a service that had work all the while."""
    moved = [one.at_s for one, before in zip(samples[1:], samples, strict=False) if one.committed > before.committed]
    return max((later - earlier for earlier, later in pairwise(moved)), default=0.0)


def _publish_and_seek(
    stack: Stack,
    pictures: Sequence[bytes],
    vectors: Vectors,
    searcher: Searcher,
    *,
    rate: float,
    events: int,
) -> int:
    """Send uploads at a rate; one every half a second is looked for."""
    probe_every = max(1, round(rate * PROBE_EVERY_S))
    started_s = time.monotonic()
    with broker.Producer(stack.settings.kafka) as producer:
        for number, picture in enumerate(told_apart(pictures, events)):
            product_id = f"P{number:07}"
            producer.send(stack.topic, upload(product_id, picture))
            if number % probe_every == 0:
                searcher.seek(product_id, vectors[number % len(pictures)])
            time.sleep(max(0.0, started_s + (number + 1) / rate - time.monotonic()))
    return events


def _wait(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + _SETTLING_S
    while not holds() and time.monotonic() < end_s:
        time.sleep(0.05)
