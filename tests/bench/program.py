"""The bench as a program: each case in turn, then the GPU where there is one; tables and JSON files."""

import argparse
import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from tests.bench import gpu
from tests.bench.machine import facts
from tests.bench.pictures import write_sample
from tests.bench.rounds import Rounds
from tests.bench.tables import show_case, show_machine
from vitrine import flags
from vitrine.settings import Model
from vitrine.telemetry import Progress, configure_logging, progress

WARM_UP_PICTURES = 32


@dataclass(frozen=True, slots=True)
class Case:
    """What to measure, and with how many pictures by default; without a model, Spark alone."""

    name: str
    model: Model | None
    pictures: int


CASES = (
    Case("bundled", Model(), 1536),
    Case("resnet18", Model(backbone="resnet18", weights="random:0", image_size=224), 256),
    Case("resnet50", Model(backbone="resnet50", weights="random:0", image_size=224), 128),
    Case("reading", None, 3_409),
)


def main() -> int:
    """Run the bench from a command line; returns the exit code."""
    arguments = _arguments()
    configure_logging()
    return flags.exit_code(lambda: bench(arguments))


def bench(arguments: argparse.Namespace) -> None:
    """Measure the cases that the arguments name; what is measured is saved and shown case by case."""
    cases = [case for case in CASES if arguments.only in {None, case.name}]
    found: dict[str, Any] = {"machine": facts(), "rounds": arguments.rounds, "cases": {}}
    path = arguments.out / f"{datetime.now(UTC):%Y%m%dt%H%M%S}.json"
    show_machine(found["machine"])
    with (
        tempfile.TemporaryDirectory(prefix="vitrine-bench-") as place,
        progress("bench", len(cases) * arguments.rounds, "rounds") as shown,
    ):
        for case in cases:
            measured = _measured(case, arguments, place=Path(place) / case.name, shown=shown)
            found["cases"][case.name] = measured
            _save(found, path)
            show_case(case.name, measured)
    print(f"\nsaved {path}")
    if arguments.only is None and torch.cuda.is_available():
        print(gpu.on_first_gpu(arguments.out).read_text())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="images per CPU-second, stage by stage, beside the naive way")
    parser.add_argument("--pictures", type=int, help="pictures of each measurement (by default what 8 minutes allow)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each measurement is taken (default 3)")
    parser.add_argument("--only", choices=[case.name for case in CASES], help="one case instead of all")
    parser.add_argument(
        "--out", type=Path, default=gpu.RESULTS, help="directory of the JSON file (default bench-results)"
    )
    arguments = parser.parse_args()
    if arguments.rounds < 1 or (arguments.pictures is not None and arguments.pictures < 2):
        parser.error("at least one round and two pictures")
    return arguments


def _measured(case: Case, arguments: argparse.Namespace, *, place: Path, shown: Progress) -> dict[str, Any]:
    pictures = arguments.pictures or case.pictures
    sample = write_sample(place / "sample", pictures)
    warm_up = write_sample(place / "warm-up", min(WARM_UP_PICTURES, pictures))
    rounds = Rounds(sample, warm_up, place, arguments.rounds, shown)
    told = {"pictures": sample.pictures, "size_bytes": sample.size_bytes, "origin": sample.origin}
    return told | (rounds.of_model(case.model) if case.model else rounds.of_reading())


def _save(found: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n")
