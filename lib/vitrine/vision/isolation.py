"""Decoding apart, so that a picture which kills its decoder kills nothing else."""

from types import TracebackType

import numpy as np
import torch

from vitrine.images import SIZE
from vitrine.images.apart import Apart
from vitrine.settings import Pictures
from vitrine.vision.decode import decode


class DecodingProcess:
    """`decode` in a process of its own; threads take turns. It ends with its `with` block."""

    def __init__(self) -> None:
        self._apart = Apart(decoded)

    @property
    def pid(self) -> int:
        """See `Apart.pid`."""
        return self._apart.pid

    def __call__(self, data: bytes, limits: Pictures) -> torch.Tensor:
        """See `decode`.

        Raises:
            BadRecord: as `decode`, `decoder_crash` (decoding ends its process), or `decode_timeout`.
            Unavailable: the process itself has ended, which no picture can bring about.
        """
        return unpacked(self._apart(data, limits))

    def __enter__(self) -> "DecodingProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._apart.__exit__(kind, error, trace)


def unpacked(answer: bytes) -> torch.Tensor:
    """(3, height, width) uint8 of what `decoded` or `vitrine.images.pixels` gives."""
    height, width = SIZE.unpack_from(answer)
    rows = np.frombuffer(bytearray(answer), np.uint8, offset=SIZE.size)
    return torch.from_numpy(rows.reshape(height, width, 3)).permute(2, 0, 1)


def decoded(data: bytes, limits: Pictures) -> bytes:
    """`decode`, as bytes: height, width and rows of pixels."""
    rows = decode(data, limits).permute(1, 2, 0).contiguous().numpy()
    return SIZE.pack(*rows.shape[:2]) + rows.tobytes()
