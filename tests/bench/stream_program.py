"""The bench of the stream as a program: the cases in turn, a table and a JSON file."""

import argparse
import json
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.bench import stream_cases
from tests.bench.machine import facts
from tests.bench.pictures import read_or_draw
from tests.bench.stream_cases import FAKE_DIM, Figures
from tests.bench.stream_events import padded
from tests.bench.stream_stack import ROOT, Stack, servers
from tests.bench.tables import show_figures, show_machine
from vitrine import flags
from vitrine.embedding import Embedder
from vitrine.settings import Model, Pictures
from vitrine.telemetry import configure_logging
from vitrine.vision.engine import engine_of
from vitrine.vision.weights import resolve

CASES = ("saturation", "freshness", "overload", "loop", "backlog")
PICTURES = 1_500
SATURATION_EVENTS = 12_000
LOOP_EVENTS, LOOP_BYTES = 24_000, 30_000
BACKLOG_EVENTS, BACKLOG_BYTES = 100_000, 2_000
SECONDS = 90.0
LOAD, OVERLOAD = 0.7, 2.0


def main() -> int:
    """Run the bench from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="the stream on real servers")
    parser.add_argument("--only", choices=CASES, nargs="+", default=CASES, help="some cases instead of all")
    parser.add_argument("--scale", type=float, default=1.0, help="so much of the usual number of events (default 1)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "bench-results", help="directory of the JSON file (default bench-results)"
    )
    asked = parser.parse_args()
    configure_logging()
    return flags.exit_code(lambda: bench(asked))


def bench(asked: argparse.Namespace) -> None:
    """Measure the cases that the arguments name; what is measured is saved and shown case by case."""
    found: dict[str, Any] = {"machine": facts(), "scale": asked.scale, "cases": {}}
    path = asked.out / f"{datetime.now(UTC):%Y%m%dt%H%M%S}-stream.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    show_machine(found["machine"])
    with servers() as stack:
        cases = Cases(stack, asked.scale)
        for name in [name for name in CASES if name in asked.only]:
            found["cases"][name] = getattr(cases, name)()
            path.write_text(json.dumps(found, indent=2) + "\n")
            show_figures(name, found["cases"][name])
    print(f"\nsaved {path}")


class Cases:
    """The cases with their sizes, `scale` times the usual; rates are taken from what the service does here at most."""

    def __init__(self, stack: Stack, scale: float) -> None:
        self._stack = stack
        self._scale = scale
        self._spec = resolve(Model()).spec

    def saturation(self) -> Figures:
        """See `stream_cases.saturation`."""
        return self._saturated

    def freshness(self) -> Figures:
        """See `stream_cases.freshness`."""
        stack, rate, seconds = self._with_model("freshness"), LOAD * self._rate, SECONDS * self._scale
        return stream_cases.freshness(stack, self._engine, self._pictures, rate=rate, seconds=seconds)

    def overload(self) -> Figures:
        """See `stream_cases.overload`."""
        stack, rate, seconds = self._with_model("overload"), OVERLOAD * self._rate, SECONDS * self._scale
        return stream_cases.overload(stack, self._pictures, rate=rate, seconds=seconds)

    def loop(self) -> Figures:
        """See `stream_cases.backlog`."""
        events = self._scaled(LOOP_EVENTS)
        stack = self._stack.case("loop", model_id="fake", dim=FAKE_DIM)
        return stream_cases.backlog(stack, events, lambda: padded(events, LOOP_BYTES), fake_dim=FAKE_DIM)

    def backlog(self) -> Figures:
        """See `stream_cases.killed`."""
        stack = self._stack.case("backlog", model_id="fake", dim=FAKE_DIM)
        return stream_cases.killed(stack, self._scaled(BACKLOG_EVENTS), BACKLOG_BYTES)

    @cached_property
    def _engine(self) -> Embedder:
        return engine_of(self._spec.model_id, None, Pictures(), "auto")

    @cached_property
    def _pictures(self) -> list[bytes]:
        return read_or_draw(self._scaled(PICTURES))[0]

    @cached_property
    def _saturated(self) -> Figures:
        events = self._scaled(SATURATION_EVENTS)
        return stream_cases.saturation(self._with_model("saturation"), self._engine, self._pictures, events)

    @property
    def _rate(self) -> float:
        """What this machine embeds a second with Kafka, Milvus and whoever asks them beside it."""
        rate: float = self._saturated["service"]["events_per_s"]
        return rate

    def _with_model(self, name: str) -> Stack:
        return self._stack.case(name, model_id=self._spec.model_id, dim=self._spec.dim)

    def _scaled(self, count: int) -> int:
        return max(1, round(count * self._scale))
