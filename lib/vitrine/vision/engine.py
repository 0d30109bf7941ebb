"""The embedding engine: pictures in, unit vectors and rejects out; reading, decoding and the network overlap."""

import copy
import ctypes
import functools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from vitrine.embedding import Batch
from vitrine.errors import BadInput
from vitrine.rendering import sample_pictures
from vitrine.settings import Model, Pictures
from vitrine.settings.model import Precision
from vitrine.vision.backbone import Network
from vitrine.vision.decode import Decode, decode, fit, fit_many
from vitrine.vision.device import Device, device_at
from vitrine.vision.isolation import DecodingProcess
from vitrine.vision.loading import Load, Loader
from vitrine.vision.model_store import find
from vitrine.vision.open_batch import OpenBatch
from vitrine.vision.overlap import prefetch
from vitrine.vision.passes import Passes
from vitrine.vision.precision import choose
from vitrine.vision.request import EngineRequest
from vitrine.vision.time_limit import DecodeOrEnd
from vitrine.vision.verdict import verdict_on
from vitrine.vision.weights import Weights, resolve

K = TypeVar("K")

_SAMPLES = 32
_BUILDING = threading.Lock()
_MALLOC = ((-1, 512 << 20), (-4, 0), (-8, 1))  # M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX of glibc's malloc.h


def device_of(assigned: str | None, wanted: str) -> str:
    """The device to use: the wanted one, which for `auto` and `cuda` is what Spark assigned.

    Without an assignment `cuda` is the first GPU, and `auto` too, or the CPU where torch sees none.

    Raises:
        BadInput: that is a GPU which torch does not see.
    """
    if wanted == "auto":
        device = assigned or ("cuda" if torch.cuda.is_available() else "cpu")
    else:
        device = assigned or wanted if wanted == "cuda" else wanted
    if device != "cpu" and (torch.device(device).index or 0) >= torch.cuda.device_count():
        raise BadInput(f"torch sees no {device} here: set model.device=cpu, or install a driver and torch for this GPU")
    return device


def load(request: EngineRequest) -> "Engine":
    """The engine for `request`, built at the first call in a process and shared by all later ones, threads too."""
    with _BUILDING:
        return _load(request)


@functools.cache
def _load(request: EngineRequest) -> "Engine":
    return Engine(_weights(request), request)


@functools.cache
def load_alone(request: EngineRequest) -> "Engine":
    """`load`, in a process that does nothing but embed: torch and malloc are set up for that.

    This holds for the whole process from then on, so a program that has other work must not call it. A picture that
    takes longer than `pictures.decode_timeout_s` ends the process.
    """
    torch.set_num_threads(request.threads if request.device == "cpu" else 1)  # beside a GPU, threads only decode
    _keep_freed_memory()
    return load(request).decoding_with(DecodeOrEnd())


def _keep_freed_memory() -> None:
    """Let malloc hand a batch the pages of the last one: faulting in fresh ones took a tenth of the CPU time."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        for parameter, value in _MALLOC:
            libc.mallopt(parameter, value)


def engine_of(
    model_id: str, store: str | None, pictures: Pictures, device: str, *, precision: Precision = "auto"
) -> "Engine":
    """The engine of a model of the store or the package, shared in this process; `device` may be `auto`.

    Raises:
        BadInput: the model is in neither.
    """
    spec = find(model_id, store).spec
    return load(EngineRequest(spec, Model(precision=precision), pictures, store, device_of(None, device)))


def _weights(request: EngineRequest) -> Weights:
    if request.store is not None:
        return find(request.spec.model_id, request.store)
    return resolve(request.model)


class Engine:
    """An `Embedder` on one device; it may be shared by threads, which then take turns at the network."""

    def __init__(self, weights: Weights, request: EngineRequest, device: Device | None = None) -> None:
        self.spec = weights.spec
        self._device = device or device_at(device_of(None, request.device))
        self._decode: Decode = decode
        self._limits = request.pictures
        self._batch_size = request.model.batch_size or self._device.batch_size
        self._threads = request.threads
        self._passes = 0
        self._turn = threading.Lock()
        verdict = verdict_on(self.spec.model_id, request.store, self._device.where)

        def build(dtype: torch.dtype) -> Network:
            return Network(weights.spec, weights.tensors, dtype).eval()

        with self._device.at_work():
            self.precision, network = choose(
                build, request.model.precision, self._device.where, samples=self._samples, verdict=verdict
            )
        self._network = Passes(network, self._device, self._batch_size)

    @property
    def device(self) -> str:
        """Where the network runs: `cpu`, `cuda` or `cuda:N`."""
        return str(self._device.where)

    @property
    def runs_on(self) -> str:
        """See `Embedder.runs_on`."""
        return f"{self.precision} on {self.device}"

    @property
    def model_id(self) -> str:
        """Which vectors these are."""
        return self.spec.model_id

    @property
    def dim(self) -> int:
        """Dimension of the vectors."""
        return self.spec.dim

    @property
    def forward_passes(self) -> int:
        """How many batches have gone through the network so far."""
        return self._passes

    def embed(self, pictures: Iterable[tuple[K, bytes]]) -> Iterator[Batch[K]]:
        """Embed pictures lazily; every key comes out exactly once, in order.

        An error of `pictures` is raised here. Closing the iterator ends its threads, and closes `pictures` if that is
        a generator. What waits on its way is bounded: about 130 MB, or with a GPU 520 MB of pinned memory.
        """
        return prefetch(self._batches(pictures), depth=2)

    def decoding_with(self, decode: Decode) -> "Engine":
        """The same network behind another decoder; the two count their passes apart."""
        twin = copy.copy(self)
        twin._decode = decode
        return twin

    @contextmanager
    def isolated(self) -> Iterator["Engine"]:
        """See `Embedder.isolated`: every picture is decoded in a process of its own, some seconds after the first."""
        with DecodingProcess() as decode_apart:
            yield self.decoding_with(decode_apart)

    def _batches(self, pictures: Iterable[tuple[K, bytes]]) -> Iterator[Batch[K]]:
        loader = Loader(self._device, self._decode, self._limits, side=self.spec.resize, threads=self._threads)
        queued: deque[Callable[[], Batch[K]]] = deque()
        batch = OpenBatch[K]()
        with closing(prefetch(loader.loads(pictures, batch_size=self._batch_size), depth=2)) as loads:
            for load in loads:
                batch.add(load, self._squares(load))
                if load.last:
                    queued.append(self._queued(batch))
                    batch = OpenBatch()
                if len(queued) > self._device.ahead:
                    yield queued.popleft()()
            while queued:
                yield queued.popleft()()

    def _squares(self, load: Load[K]) -> list[Tensor]:
        with self._turn, self._device.at_work():
            there = self._device.upload(load.buffer)
            return [self._cut(fit_many(group.within(there), self.spec.resize)) for group in load.groups]

    def _queued(self, batch: OpenBatch[K]) -> Callable[[], Batch[K]]:
        if not batch.wanted:
            return lambda: batch.closed(np.empty((0, self.dim), np.float32))
        with self._turn, self._device.at_work():
            self._passes += 1
            vectors = self._device.download(self._network(torch.cat(batch.squares)))
            batch.squares.clear()
        return lambda: batch.closed(vectors())

    def _cut(self, squares: Tensor) -> Tensor:
        margin = (self.spec.resize - self.spec.image_size) // 2
        return squares[..., margin : margin + self.spec.image_size, margin : margin + self.spec.image_size]

    def _samples(self) -> Tensor:
        pictures = (decode(data, Pictures()) for data in sample_pictures(_SAMPLES))
        return torch.stack([self._cut(fit(picture, self.spec.resize)) for picture in pictures])
