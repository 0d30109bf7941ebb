"""How fast training learns: the whole loop beside forward and backward passes of the network alone.

Reads   ../shared/data/clothing where it is there, else pictures drawn for the purpose.
Writes  bench-results/TIME-train.json: images a second, of wall and of CPU time, and how the ways stand to each other.
Run     .venv/bin/python tests/bench/train.py [--pictures N] [--steps N] [--rounds N] [--loaders N]
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench-results"
NETWORK, LEARNING, LOOP = "network", "learning", "loop"
AIM = 0.8
"""Least that the loop should reach of the network alone."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Images a second of wall time and of CPU time of the program and its children; `load_average` beside it."""

    way: str
    images_per_s: float
    images_per_cpu_s: float
    load_average: float


def main() -> int:
    """Run the bench from a command line; returns the exit code."""
    from tests.bench.machine import facts
    from vitrine import flags

    arguments = _arguments()

    def bench() -> None:
        found = measured(arguments)
        path = arguments.out / f"{datetime.now(UTC):%Y%m%dt%H%M%S}-train.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"machine": facts(), **found}, indent=2) + "\n")
        for one in found["rates"]:
            print(f"{one['way']:<9}{one['images_per_s']:8.1f} images/s{one['images_per_cpu_s']:8.1f} per CPU-second")
        for text, value in found["ratios"].items():
            print(f"{text} = {value:.2f}")
        print(f"saved {path}")

    return flags.exit_code(bench)


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """Rates of the three ways and their ratios, the median over the rounds; ways of a round saw the same load."""
    import torch

    with tempfile.TemporaryDirectory(prefix="vitrine-bench-") as place, trainer_in(Path(place), arguments) as trainer:
        pictures, drawn = trainer.next_batch()
        ways = ways_of(trainer, pictures, drawn)
        for step in ways.values():
            step()
        rounds = [
            {name: rate(name, step, arguments.steps, len(pictures)) for name, step in ways.items()}
            for _ in range(arguments.rounds)
        ]
    return {
        "pictures": arguments.pictures,
        "batch": len(pictures),
        "pixels": pictures.shape[-1],
        "threads": torch.get_num_threads(),
        "loaders": arguments.loaders,
        "rates": [asdict(median_of([one[name] for one in rounds])) for name in ways],
        "ratios": {
            f"{LOOP} / {NETWORK}, wall": median(one[LOOP].images_per_s / one[NETWORK].images_per_s for one in rounds),
            f"{LOOP} / {NETWORK}, CPU": median(
                one[LOOP].images_per_cpu_s / one[NETWORK].images_per_cpu_s for one in rounds
            ),
        },
        "aim": AIM,
    }


def ways_of(trainer: Any, pictures: Any, drawn: Any) -> dict[str, Callable[[], object]]:
    """One step of each way: passes of the network alone, learning from the same batch, and the whole loop."""

    def network() -> None:
        trainer.network.train()
        trainer.network(pictures).square().mean().backward()

    return {NETWORK: network, LEARNING: lambda: trainer.learn(pictures, drawn), LOOP: trainer.advance}


@contextmanager
def trainer_in(place: Path, arguments: argparse.Namespace) -> Iterator[Any]:
    """The bundled weights in training on the first pictures of a catalogue, two views of each."""
    import torch

    from tests.bench.pictures import write_sample
    from vitrine.settings import Settings
    from vitrine.vision.training import process
    from vitrine.vision.training.loop import Trainer
    from vitrine.vision.training.network import TrainedNetwork, arithmetic
    from vitrine.vision.training.together import joined

    sample = write_sample(place / "sample", arguments.pictures)
    settings = Settings.model_validate(
        {
            "catalog": sample.files,
            "work": str(place / "work"),
            "train": {"labels": [], "same": 1.0, "batch_size": arguments.batch, "steps": 100_000},
        }
    )
    begun = process.beginning_of(settings)
    tasks = process.tasks_of(settings, process.packs_of(settings))
    with joined() as group:
        network = TrainedNetwork(begun, arithmetic("auto", group.device))
        torch.manual_seed(0)
        yield Trainer(network, tasks, process.course_of(settings, begun.spec), group, loaders=arguments.loaders)


def rate(way: str, step: Callable[[], object], steps: int, images: int) -> Rate:
    """Do so many steps; on a GPU all that was queued is waited for."""
    import psutil
    import torch

    from tests.bench.machine import cpu_seconds, family, load_average, spent

    here = psutil.Process()
    before, began_s = cpu_seconds(family(here)), time.perf_counter()
    for _ in range(steps):
        step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    wall_s, cpu_s = time.perf_counter() - began_s, spent(before, cpu_seconds(family(here)))
    return Rate(way, steps * images / wall_s, steps * images / cpu_s, load_average())


def median_of(rates: list[Rate]) -> Rate:
    """The rates of one way over all rounds."""
    return Rate(
        rates[0].way,
        median(one.images_per_s for one in rates),
        median(one.images_per_cpu_s for one in rates),
        max(one.load_average for one in rates),
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="images a second of training, beside the network alone")
    parser.add_argument("--pictures", type=int, default=512, help="pictures to learn from (default 512)")
    parser.add_argument("--batch", type=int, default=128, help="views of a step (default 128)")
    parser.add_argument("--steps", type=int, default=10, help="steps of a measurement (default 10)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each measurement is taken (default 5)")
    parser.add_argument("--loaders", type=int, default=0, help="processes that draw views ahead (default 0)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="directory of the JSON file (default bench-results)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    sys.exit(main())
