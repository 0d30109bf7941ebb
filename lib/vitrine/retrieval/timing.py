"""How long one customer waits: one query after the other, each alone."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np

T = TypeVar("T")

MOST = 200
WARM_UP = 5


@dataclass(frozen=True, slots=True)
class Latency:
    """Median and 99th percentile of the wall time of `n` calls, in milliseconds."""

    p50: float
    p99: float
    n: int


def latency(call: Callable[[T], object], questions: Iterable[T]) -> Latency:
    """Time the call for each of up to 200 questions; the first five are asked once before, which is not counted."""
    asked = list(islice(questions, MOST))
    for question in asked[:WARM_UP]:
        call(question)
    spent = [_milliseconds(call, question) for question in asked]
    return Latency(float(np.percentile(spent, 50)), float(np.percentile(spent, 99)), len(spent))


def _milliseconds(call: Callable[[T], object], question: T) -> float:
    began_s = time.perf_counter()
    call(question)
    return 1_000 * (time.perf_counter() - began_s)
