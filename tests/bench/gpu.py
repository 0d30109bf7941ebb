"""What a GPU embeds a second: the engine beside the card's own limit, by batch size, and by where pictures are resized.

Reads   what `make bench` reads.
Writes  bench-results/TIME-gpu.json, and the same as a table in TIME-gpu.md.
Run     PYTHONPATH=.:lib python3 -m tests.bench.gpu [--pictures N] [--seconds S] [--batches N ...] [--backbones A ...]
"""

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from tests.bench.machine import facts
from tests.bench.pictures import read_or_draw
from vitrine.settings import Model, Pictures
from vitrine.vision.decode import decode
from vitrine.vision.device import Cuda, Device
from vitrine.vision.engine import Engine
from vitrine.vision.loading import Load, Loader
from vitrine.vision.request import EngineRequest
from vitrine.vision.weights import resolve

RESULTS = Path(__file__).resolve().parents[2] / "bench-results"
BACKBONES = ("resnet18", "resnet50")
BATCHES = (64, 128, 256, 512, 1024)
PICTURES = 4096
DIFFERENT = 512
SECONDS = 3.0
PASSES = 8
LOADS = 6
HEAD = ("model", "batch", "decode", "upload, resize", "network", "engine", "share", "resizing on CPU", "peak MB")


class GivenSquares(Cuda):
    """A GPU that does not resize."""

    resizes = False


@dataclass(frozen=True, slots=True)
class Rates:
    """Images a second of wall time: each stage with nothing beside it, then all together."""

    model: str
    batch_size: int
    precision: str
    decode: float
    """Bytes into buffers, by all threads."""
    upload_resize: float
    """Full buffers to squares on the device."""
    network: float
    """Squares on the device to vectors there: the card's own limit."""
    engine: float
    engine_resizing_on_cpu: float
    """As `engine`, with squares made by the decoding threads."""
    peak_device_bytes: int

    @property
    def share(self) -> float:
        """The engine over the slowest of its stages."""
        return self.engine / min(self.decode, self.upload_resize, self.network)


@dataclass(frozen=True, slots=True)
class Bench:
    """How every figure is taken: pictures, decoding threads, least seconds, and the two devices."""

    images: Sequence[bytes]
    threads: int
    seconds: float
    resizing: Callable[[], Device]
    given_squares: Callable[[], Device]

    def rates(self, model: Model) -> Rates:
        """All figures of a model."""
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        weights, batch_size = resolve(model), model.batch_size
        assert batch_size is not None
        request = EngineRequest(weights.spec, model, Pictures(), None, threads=self.threads)
        engine, squares_only = (Engine(weights, request, make()) for make in (self.resizing, self.given_squares))
        return Rates(
            model=model.backbone,
            batch_size=batch_size,
            precision=engine.precision,
            decode=self._rate(lambda: sum(len(load.keys) for load in self._loads(engine, batch_size))),
            upload_resize=self._upload_resize(engine, batch_size),
            network=self._network(engine, batch_size),
            engine=self._rate(lambda: self._embedded(engine)),
            engine_resizing_on_cpu=self._rate(lambda: self._embedded(squares_only)),
            peak_device_bytes=torch.cuda.max_memory_allocated(),
        )

    def _rate(self, work: Callable[[], int]) -> float:
        """Images a second; `work` returns how many it has done, and is done once before."""
        work()
        done, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < self.seconds or not done:
            done += work()
        return done / elapsed

    def _loads(self, engine: Engine, batch_size: int) -> Iterator[Load[int]]:
        side = engine.spec.resize
        loader = Loader(engine._device, decode, Pictures(), side=side, threads=self.threads)
        return loader.loads(enumerate(self.images), batch_size=batch_size)

    def _embedded(self, engine: Engine) -> int:
        return sum(len(batch.keys) for batch in engine.embed(enumerate(self.images)))

    def _upload_resize(self, engine: Engine, batch_size: int) -> float:
        loads = list(itertools.islice(self._loads(engine, batch_size), LOADS))

        def work() -> int:
            for load in loads:
                squares = engine._squares(load)
            _wait_for(engine._device, squares[-1])
            return sum(len(load.keys) for load in loads)

        return self._rate(work)

    def _network(self, engine: Engine, batch_size: int) -> float:
        size = engine.spec.image_size
        squares = torch.randint(0, 256, (batch_size, 3, size, size), dtype=torch.uint8)
        with engine._device.at_work():
            there = engine._device.upload(squares)

        def work() -> int:
            for _ in range(PASSES):
                with engine._device.at_work():
                    vectors = engine._network(there)
            _wait_for(engine._device, vectors)
            return PASSES * batch_size

        return self._rate(work)


def _wait_for(device: Device, found: torch.Tensor) -> None:
    with device.at_work():
        wait = device.download(found[:1].clone())
    wait()


def bench(given: Bench, models: Sequence[Model], out: Path, facts_of_card: dict[str, Any]) -> Path:
    """Measure the models one after the other; what is measured is saved each time. Returns the path of the table."""
    found: list[Rates] = []
    path = out / f"{datetime.now(UTC):%Y%m%dt%H%M%S}-gpu.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    for model in models:
        found.append(given.rates(model))
        told = {"machine": facts() | facts_of_card, "threads": given.threads, "seconds": given.seconds}
        rates = [{**asdict(one), "share": one.share} for one in found]
        path.write_text(json.dumps(told | {"images_per_s": rates}, indent=2) + "\n")
        path.with_suffix(".md").write_text(table(found, facts_of_card))
        print(f"{found[-1]}", file=sys.stderr, flush=True)
    return path.with_suffix(".md")


def table(found: Sequence[Rates], facts_of_card: dict[str, Any]) -> str:
    """The rates as Markdown, under a line that names the card."""
    lines = [f"{facts_of_card['gpu']}, images a second", "", f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}"]
    for one in found:
        figures = (one.decode, one.upload_resize, one.network, one.engine)
        rates = [f"{figure:,.0f}" for figure in figures]
        last = [f"{one.share:.2f}", f"{one.engine_resizing_on_cpu:,.0f}", f"{one.peak_device_bytes / 1e6:,.0f}"]
        lines.append(f"| {' | '.join([f'{one.model} {one.precision}', str(one.batch_size), *rates, *last])} |")
    return "\n".join(lines) + "\n"


def card() -> dict[str, Any]:
    """What a reader must know of the GPU to compare figures."""
    facts_of_card = torch.cuda.get_device_properties(0)
    return {
        "gpu": facts_of_card.name,
        "gpu_memory_bytes": facts_of_card.total_memory,
        "gpu_capability": f"{facts_of_card.major}.{facts_of_card.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def on_first_gpu(
    out: Path,
    *,
    pictures: int = PICTURES,
    seconds: float = SECONDS,
    batches: Sequence[int] = BATCHES,
    backbones: Sequence[str] = BACKBONES,
) -> Path:
    """Measure backbones with random weights at 224 pixels in fp16; returns the path of the table."""
    torch.set_num_threads(1)
    where = torch.device("cuda")
    known, _ = read_or_draw(min(DIFFERENT, pictures))
    images = list(itertools.islice(itertools.cycle(known), pictures))
    threads = len(os.sched_getaffinity(0))
    given = Bench(images, threads, seconds, lambda: Cuda(where), lambda: GivenSquares(where))
    models = [
        Model(backbone=name, weights="random:0", image_size=224, precision="fp16", batch_size=size)
        for name in backbones
        for size in batches
    ]
    return bench(given, models, out, card())


def main() -> int:
    """Run the bench of the first GPU from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="images a second of a GPU, by stage and batch size")
    parser.add_argument("--pictures", type=int, default=PICTURES, help=f"of each measurement (default {PICTURES})")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="least time of each measurement (default 3)")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, metavar="N", help="batch sizes")
    parser.add_argument("--backbones", nargs="+", default=BACKBONES, metavar="NAME", help="networks to measure")
    parser.add_argument("--out", type=Path, default=RESULTS, help="directory of the results (default bench-results)")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("torch sees no GPU here")
    print(on_first_gpu(**vars(arguments)).read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
