"""Where a network runs: buffers, copies and forward passes on the CPU or on a GPU."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from vitrine.embedding import Vectors
from vitrine.errors import BadInput
from vitrine.vision.backbone import Network, exact_convolutions

logger = logging.getLogger(__name__)

Pass = Callable[[Tensor], Tensor]
"""(n, 3, size, size) uint8 squares to (n, dim) float32 vectors, both on the device; n is at most the batch size."""

_WARM_UPS = 3  # passes before a recording: cuDNN measures its algorithms in the first


class Device(Protocol):
    """What the engine asks of the place where its network runs.

    All but `buffer` is called inside a block of `at_work`, where a GPU only queues what it is told.
    """

    @property
    def where(self) -> torch.device:
        """The device as torch names it."""
        ...

    @property
    def batch_size(self) -> int:
        """Pictures per forward pass, where the settings do not say."""
        ...

    @property
    def load_bytes(self) -> int:
        """Size at which a buffer is full."""
        ...

    @property
    def resizes(self) -> bool:
        """Whether pictures come as they were decoded, to be resized here."""
        ...

    @property
    def ahead(self) -> int:
        """Batches to queue before the result of the first is waited for."""
        ...

    def at_work(self) -> AbstractContextManager[None]:
        """A block of tensor work; one whose memory does not suffice ends as BadInput."""
        ...

    def buffer(self, size_bytes: int) -> Tensor:
        """Bytes in the host's memory, to be filled by threads and uploaded once."""
        ...

    def upload(self, buffer: Tensor) -> Tensor:
        """The bytes of a buffer on the device."""
        ...

    def prepared(self, network: Network, batch_size: int) -> Pass:
        """The network made ready for batches of at most that size.

        Raises:
            torch.OutOfMemoryError: it does not fit.
        """
        ...

    def download(self, vectors: Tensor) -> Callable[[], Vectors]:
        """A function that waits for the vectors and returns them; it may be called outside of `at_work`."""
        ...


def device_at(name: str) -> Device:
    """The device of that name: `cpu`, `cuda` or `cuda:N`."""
    return Cpu() if name == "cpu" else Cuda(torch.device(name))


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor: everything is done at once, in the calling thread. It resizes bytes better than tensors."""

    batch_size: int = 32
    load_bytes: int = 16 << 20
    resizes: bool = False
    ahead: int = 0

    @property
    def where(self) -> torch.device:
        """See `Device.where`."""
        return torch.device("cpu")

    def at_work(self) -> AbstractContextManager[None]:
        """See `Device.at_work`."""
        return torch.inference_mode()

    def buffer(self, size_bytes: int) -> Tensor:
        """See `Device.buffer`."""
        return torch.empty(size_bytes, dtype=torch.uint8)

    def upload(self, buffer: Tensor) -> Tensor:
        """See `Device.upload`: the buffer itself."""
        return buffer

    def prepared(self, network: Network, batch_size: int) -> Pass:
        """See `Device.prepared`: any size will do."""
        return network

    def download(self, vectors: Tensor) -> Callable[[], Vectors]:
        """See `Device.download`."""
        return vectors.numpy


class Cuda:
    """A GPU: copies to it run beside the work on it, and the network is recorded once as a CUDA graph.

    Buffers are pinned, and torch's allocator of pinned memory is their pool: it gives a buffer out again when the copy
    from it has ended. Vectors come back on the stream of the work: they are a thousandth of what went in.
    """

    batch_size = 256
    load_bytes = 64 << 20
    resizes = True
    ahead = 1

    def __init__(self, where: torch.device) -> None:
        self.where = where
        self._work = torch.cuda.Stream(where)  # type: ignore[no-untyped-call]
        self._copies = torch.cuda.Stream(where)  # type: ignore[no-untyped-call]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """See `Device.at_work`."""
        try:
            with torch.inference_mode(), torch.cuda.stream(self._work):
                yield
        except torch.OutOfMemoryError as error:
            name = torch.cuda.get_device_name(self.where)
            raise BadInput(
                f"{self.where} ({name}) has too little free memory: end what else runs there, or set model.device=cpu"
            ) from error

    def buffer(self, size_bytes: int) -> Tensor:
        """See `Device.buffer`: pinned."""
        return torch.empty(size_bytes, dtype=torch.uint8, pin_memory=True)

    def upload(self, buffer: Tensor) -> Tensor:
        """See `Device.upload`: the work waits for this copy, this copy not for the work."""
        with torch.cuda.stream(self._copies):
            there = buffer.to(self.where, non_blocking=True)
        there.record_stream(self._work)
        self._work.wait_stream(self._copies)
        return there

    def prepared(self, network: Network, batch_size: int) -> Pass:
        """See `Device.prepared`: a CUDA graph, or launches one by one where none can be recorded."""
        try:
            return Recorded(network, batch_size, self.where)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            logger.warning("no CUDA graph on %s: %s", self.where, str(error).splitlines()[0])
            return OneShape(network, batch_size, self.where)

    def download(self, vectors: Tensor) -> Callable[[], Vectors]:
        """See `Device.download`."""
        here = torch.empty(vectors.shape, dtype=vectors.dtype, pin_memory=True)
        here.copy_(vectors, non_blocking=True)
        # Without blocking, the thread that waits would spin on a core that could decode.
        copied = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        copied.record(self._work)

        def wait() -> Vectors:
            copied.synchronize()
            found: Vectors = here.numpy()
            return found

        return wait


class OneShape:
    """A network that is always given full batches: behind the squares of a smaller one stand those of earlier ones.

    So kernels are chosen once, and a picture meets the same ones whatever surrounds it.
    """

    def __init__(self, network: Network, batch_size: int, where: torch.device) -> None:
        size = network.spec.image_size
        self._squares = torch.empty(
            (batch_size, 3, size, size), dtype=torch.uint8, device=where, memory_format=torch.channels_last
        )
        self._network = network

    def __call__(self, squares: Tensor) -> Tensor:
        """See `Pass`."""
        self._squares[: len(squares)].copy_(squares)
        return self._vectors()[: len(squares)]

    def _vectors(self) -> Tensor:
        with exact_convolutions():
            return self._network(self._squares)  # type: ignore[no-any-return]  # a module's call is untyped


class Recorded(OneShape):
    """The same as a CUDA graph: one launch a batch instead of some hundred.

    To be made and called on a stream of one's own, not the default one.
    """

    def __init__(self, network: Network, batch_size: int, where: torch.device) -> None:
        super().__init__(network, batch_size, where)
        self._graph = torch.cuda.CUDAGraph()
        with exact_convolutions():  # in which one thread at a time can be: torch records one graph at a time
            for _ in range(_WARM_UPS):
                super()._vectors()
            stream = torch.cuda.current_stream(where)
            # thread_local: decoders pin memory meanwhile, which would break a recording that minds all threads.
            with torch.cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local"):
                self._found = super()._vectors()

    def _vectors(self) -> Tensor:
        self._graph.replay()
        return self._found.clone()  # the next replay writes there
