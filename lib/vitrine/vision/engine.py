"""The embedding engine: pictures in, unit vectors and rejects out; reading, decoding and the network overlap."""

import ctypes
import functools
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from vitrine.embedding import Batch, Vectors
from vitrine.errors import BadInput, BadRecord
from vitrine.product import Reason, Reject
from vitrine.rendering import sample_pictures
from vitrine.settings import Model, Pictures
from vitrine.vision.backbone import Network
from vitrine.vision.decode import decode, fit
from vitrine.vision.model_store import find
from vitrine.vision.overlap import ordered_map, prefetch
from vitrine.vision.precision import choose
from vitrine.vision.request import EngineRequest
from vitrine.vision.weights import Weights, resolve

K = TypeVar("K")

_BUFFER_BYTES = 64 << 20
_SAMPLES = 32
_UNIT_TOLERANCE = 1e-3
_BUILDING = threading.Lock()
_NO_VECTOR = Reject(Reason.NO_VECTOR, "the network gives no direction for it")
_MALLOC = ((-1, 512 << 20), (-4, 0), (-8, 1))  # M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX of glibc's malloc.h
_KEYS_PER_BATCH = 8  # a batch is also closed after this many times batch_size keys, when most are rejects


def device_of(assigned: str | None, wanted: str) -> str:
    """The device to use: the wanted one, or for `auto` what Spark assigned, else a visible GPU, else the CPU.

    Raises:
        BadInput: that is a GPU which torch does not see.
    """
    device = wanted if wanted != "auto" else assigned or ("cuda" if torch.cuda.is_available() else "cpu")
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

    This holds for the whole process from then on, so a program that has other work must not call it.
    """
    torch.set_num_threads(request.threads)
    _keep_freed_memory()
    return load(request)


def _keep_freed_memory() -> None:
    """Let malloc hand a batch the pages of the last one: faulting in fresh ones took a tenth of the CPU time."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        for parameter, value in _MALLOC:
            libc.mallopt(parameter, value)


def engine_of(model_id: str, store: str | None, pictures: Pictures, device: str) -> "Engine":
    """The engine of a model of the store or the package, shared in this process; `device` may be `auto`.

    Raises:
        BadInput: the model is in neither.
    """
    spec = find(model_id, store).spec
    return load(EngineRequest(spec, Model(), pictures, store, device_of(None, device)))


def _weights(request: EngineRequest) -> Weights:
    if request.store is not None:
        return find(request.spec.model_id, request.store)
    return resolve(request.model)


class Engine:
    """An `Embedder` on one device; it may be shared by threads, which then take turns at the network."""

    def __init__(self, weights: Weights, request: EngineRequest) -> None:
        self.spec = weights.spec
        self.device = torch.device(device_of(None, request.device))
        self._limits = request.pictures
        self._batch_size = request.model.batch_size
        self._threads = request.threads
        self._passes = 0
        self._turn = threading.Lock()

        def build(dtype: torch.dtype) -> Network:
            return Network(weights.spec, weights.tensors, dtype).eval()

        self.precision, self._network = choose(build, request.model.precision, self.device, samples=self._samples)

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

        At most 64 MB of pictures wait to be decoded or batched, beside four batches of squares on their way through.
        An error of `pictures` is raised here. Closing the iterator ends its threads, and closes `pictures` if that is
        a generator.
        """
        return prefetch(self._batches(pictures), depth=2)

    def _batches(self, pictures: Iterable[tuple[K, bytes]]) -> Iterator[Batch[K]]:
        with closing(prefetch(self._groups(pictures), depth=2)) as groups:
            for group in groups:
                yield self._forward(group)

    def _weight(self, picture: tuple[K, bytes]) -> int:
        return len(picture[1]) + 3 * self.spec.image_size**2

    def _prepare(self, picture: tuple[K, bytes]) -> tuple[K, Tensor | Reject]:
        key, data = picture
        try:
            return key, self._square(data, self._limits)
        except BadRecord as error:
            return key, Reject(Reason(error.reason), error.detail)

    def _square(self, data: bytes, limits: Pictures) -> Tensor:
        whole = fit(decode(data, limits), self.spec.resize)
        margin = (self.spec.resize - self.spec.image_size) // 2
        return whole[:, margin : margin + self.spec.image_size, margin : margin + self.spec.image_size]

    def _groups(self, pictures: Iterable[tuple[K, bytes]]) -> Iterator[list[tuple[K, Tensor | Reject]]]:
        group: list[tuple[K, Tensor | Reject]] = []
        accepted = 0
        prepared = ordered_map(
            self._prepare, pictures, size_of=self._weight, threads=self._threads, budget_bytes=_BUFFER_BYTES
        )
        with closing(prepared):
            for item in prepared:
                group.append(item)
                accepted += isinstance(item[1], Tensor)
                if accepted == self._batch_size or len(group) == _KEYS_PER_BATCH * self._batch_size:
                    yield group
                    group, accepted = [], 0
        if group:
            yield group

    def _forward(self, group: list[tuple[K, Tensor | Reject]]) -> Batch[K]:
        pictures = [outcome for _, outcome in group if isinstance(outcome, Tensor)]
        vectors = self._vectors(torch.stack(pictures)) if pictures else np.empty((0, self.dim), np.float32)
        usable = np.abs(np.linalg.norm(vectors, axis=1) - 1) < _UNIT_TOLERANCE
        found = iter(usable)
        rejects = tuple(
            outcome if isinstance(outcome, Reject) else None if next(found) else _NO_VECTOR for _, outcome in group
        )
        return Batch(tuple(key for key, _ in group), rejects, vectors[usable])

    def _vectors(self, pictures: Tensor) -> Vectors:
        with self._turn, torch.inference_mode():
            self._passes += 1
            vectors: Vectors = self._network(pictures.to(self.device)).cpu().numpy()
        return vectors

    def _samples(self) -> Tensor:
        return torch.stack([self._square(data, Pictures()) for data in sample_pictures(_SAMPLES)])
