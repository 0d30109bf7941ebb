"""The one way from a picture's bytes to the square that a network sees."""

from collections.abc import Callable

import numpy as np
import torch
import torchvision.io  # noqa: F401  (registers torch.ops.image)

from vitrine.errors import BadRecord
from vitrine.images import inspect, open_upright
from vitrine.product import Reason
from vitrine.settings import Pictures

Decode = Callable[[bytes, Pictures], torch.Tensor]
"""`decode`, or one with its contract."""

_RGB = 3
_LONGEST = 8


def decode(data: bytes, limits: Pictures) -> torch.Tensor:
    """Decode a picture, upright.

    Returns:
        (3, H, W) uint8 RGB, a view of H x W x 3 bytes.

    Raises:
        BadRecord: as `vitrine.images.inspect`.
    """
    header = inspect(data, limits)
    if not header.plain:
        return torch.from_numpy(np.array(open_upright(data, limits))).permute(2, 0, 1)
    return _turn(_decode_jpeg(data), header.orientation)


def _decode_jpeg(data: bytes) -> torch.Tensor:
    # The operator itself: torchvision.io.decode_jpeg warns on each call, and warnings cannot be silenced per thread.
    source = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    try:
        return torch.ops.image.decode_jpeg(source, _RGB)  # type: ignore[no-any-return]
    except RuntimeError as error:
        said = str(error).splitlines()[0].rpartition(", ")[2]
        if "allocate" in said:
            raise BadRecord(Reason.TOO_MANY_PIXELS, said) from error
        raise BadRecord(Reason.TRUNCATED if "truncated" in said else Reason.CORRUPT, said) from error


def _turn(picture: torch.Tensor, orientation: int) -> torch.Tensor:
    if orientation == 1:
        return picture
    rows = picture.permute(1, 2, 0)
    if orientation >= 5:
        rows = rows.transpose(0, 1)
    flips = {2: (1,), 3: (0, 1), 4: (0,), 5: (), 6: (1,), 7: (0, 1), 8: (0,)}[orientation]
    return rows.flip(flips).contiguous().permute(2, 0, 1)


def fit(picture: torch.Tensor, size: int) -> torch.Tensor:
    """Resize the shorter side to `size` with antialiased bilinear weights, and cut the centre out.

    Of a picture longer than 8 times its shorter side only the middle of that length is resized.

    `picture` is (3, H, W) uint8, best as a view of H x W x 3 bytes; `size` is at least 2 pixels.

    Returns:
        (3, size, size) uint8, which may be a view of a larger picture.
    """
    height, width = picture.shape[1:]
    picture = _not_too_long(picture)
    height, width = _fitted(picture, size)
    if picture.shape[1:] != (height, width):
        # The batch axis goes before the rows: its stride then says that channels come last, and nothing is repacked.
        batch = picture.permute(1, 2, 0)[None].permute(0, 3, 1, 2)
        picture = _interpolated(batch, height, width)[0]
    return _middle(picture, size, size)


def fit_many(pictures: torch.Tensor, size: int) -> torch.Tensor:
    """`fit` for pictures of one size on a GPU, where nothing resizes bytes: floats, rounded to bytes after each way.

    Of the values of a photo 2 in 1,000 differ from those of `fit`, by 1; in a single float step it would be 140.

    `pictures` is (n, 3, H, W) uint8.

    Returns:
        (n, 3, size, size) uint8, which may be a view of larger pictures.
    """
    pictures = _not_too_long(pictures)
    height, width = _fitted(pictures, size)
    narrow = _middle(_rounded(pictures, pictures.shape[-2], width), pictures.shape[-2], size)
    return _middle(_rounded(narrow, height, size), size, size)


def _rounded(pictures: torch.Tensor, height: int, width: int) -> torch.Tensor:
    if pictures.shape[-2:] == (height, width):
        return pictures
    floats = pictures.to(torch.float32, memory_format=torch.contiguous_format)
    return _interpolated(floats, height, width).add_(0.5).to(torch.uint8)


def _interpolated(pictures: torch.Tensor, height: int, width: int) -> torch.Tensor:
    return torch.nn.functional.interpolate(pictures, (height, width), mode="bilinear", antialias=True)


def _not_too_long(pictures: torch.Tensor) -> torch.Tensor:
    height, width = pictures.shape[-2:]
    return _middle(pictures, min(height, _LONGEST * width), min(width, _LONGEST * height))


def _fitted(pictures: torch.Tensor, size: int) -> tuple[int, int]:
    height, width = pictures.shape[-2:]
    shorter = min(height, width)
    return round(height * size / shorter), round(width * size / shorter)


def _middle(pictures: torch.Tensor, height: int, width: int) -> torch.Tensor:
    top = round((pictures.shape[-2] - height) / 2)
    left = round((pictures.shape[-1] - width) / 2)
    return pictures[..., top : top + height, left : left + width]
