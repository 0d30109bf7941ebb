"""Decoding, the model and the engine without Spark, in as many processes at once as Spark runs tasks."""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

import torch

from tests.bench.pictures import read_images
from vitrine.settings import Model, Pictures
from vitrine.telemetry import peak_memory_bytes
from vitrine.vision.backbone import Network
from vitrine.vision.decode import decode, fit
from vitrine.vision.device import Cpu
from vitrine.vision.engine import Engine, load_alone
from vitrine.vision.precision import DTYPES
from vitrine.vision.request import EngineRequest
from vitrine.vision.weights import Weights, resolve


@dataclass(frozen=True, slots=True)
class Share:
    """What one process measures: a model and one file of pictures."""

    model: Model
    file: str


@dataclass(frozen=True, slots=True)
class Ready:
    """What a process says once it is warm; `peak_rss_bytes` is that of the engine alone."""

    precision: str
    start_cpu_s: float
    peak_rss_bytes: int


Stage = Callable[[Share], float]


@contextmanager
def processes(shares: Sequence[Share]) -> "Iterator[Processes]":
    """One process for each share, until the block ends."""
    with ExitStack() as stack:
        pools = [stack.enter_context(ProcessPoolExecutor(1, mp_context=get_context("spawn"))) for _ in shares]
        yield Processes(pools, shares)


class Processes:
    """Processes that do the same stage at the same time."""

    def __init__(self, pools: Sequence[ProcessPoolExecutor], shares: Sequence[Share]) -> None:
        self._pairs = list(zip(pools, shares, strict=True))

    def warm_up(self) -> list[Ready]:
        """Build the engine and run every stage once."""
        return [answer.result() for answer in [pool.submit(ready, share) for pool, share in self._pairs]]

    def cpu_seconds(self, stage: Stage) -> float:
        """CPU-seconds of a stage, summed over the processes."""
        return sum(answer.result() for answer in [pool.submit(stage, share) for pool, share in self._pairs])


def ready(share: Share) -> Ready:
    """Build the engine and run every stage once, the engine before the others so that its memory can be told."""
    started = time.process_time()
    _engine(share.model)
    start_cpu_s = time.process_time() - started
    run_engine(share)
    peak_rss_bytes = peak_memory_bytes()
    run_decode(share)
    run_model(share)
    return Ready(_engine(share.model).precision, start_cpu_s, peak_rss_bytes)


def run_decode(share: Share) -> float:
    """CPU-seconds from bytes to squares of the network's size, one after the other."""
    images, size = read_images(share.file), _engine(share.model).spec.resize
    limits = Pictures()
    started = time.process_time()
    for image in images:
        fit(decode(image, limits), size)
    return time.process_time() - started


def run_model(share: Share) -> float:
    """CPU-seconds from batches of squares to vectors; the batches are made beforehand."""
    network, batches = _network(share.model), _batches(share)
    started = time.process_time()
    with torch.inference_mode():
        for batch in batches:
            network(batch)
    return time.process_time() - started


def run_engine(share: Share) -> float:
    """CPU-seconds from bytes to vectors through the engine, all its threads counted."""
    images, engine = read_images(share.file), _engine(share.model)
    started = time.process_time()
    for _ in engine.embed(enumerate(images)):
        pass
    return time.process_time() - started


def _engine(model: Model) -> Engine:
    return load_alone(EngineRequest(resolve_once(model).spec, model, Pictures(), None))


@functools.cache
def resolve_once(model: Model) -> Weights:
    """The weights of a model, found once in a process."""
    return resolve(model)


@functools.cache
def _network(model: Model) -> Network:
    weights = resolve_once(model)
    return Network(weights.spec, weights.tensors, DTYPES[_engine(model).precision]).eval()


@functools.cache
def _batches(share: Share) -> list[torch.Tensor]:
    spec, limits = _engine(share.model).spec, Pictures()
    margin = (spec.resize - spec.image_size) // 2
    middle = slice(margin, margin + spec.image_size)
    squares = [fit(decode(image, limits), spec.resize)[:, middle, middle] for image in read_images(share.file)]
    return list(torch.split(torch.stack(squares), share.model.batch_size or Cpu().batch_size))
