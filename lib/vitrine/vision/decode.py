"""The one way from a picture's bytes to the square that a network sees."""

import numpy as np
import torch
import torchvision.io  # noqa: F401  (registers torch.ops.image)

from vitrine.errors import BadRecord
from vitrine.images import inspect, open_upright
from vitrine.product import Reason
from vitrine.settings import Pictures

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
    picture = _middle(picture, min(height, _LONGEST * width), min(width, _LONGEST * height))
    height, width = picture.shape[1:]
    shorter = min(height, width)
    resized = _resize(picture, round(height * size / shorter), round(width * size / shorter))
    return _middle(resized, size, size)


def _middle(picture: torch.Tensor, height: int, width: int) -> torch.Tensor:
    top = round((picture.shape[1] - height) / 2)
    left = round((picture.shape[2] - width) / 2)
    return picture[:, top : top + height, left : left + width]


def _resize(picture: torch.Tensor, height: int, width: int) -> torch.Tensor:
    if picture.shape[1:] == (height, width):
        return picture
    # The batch axis goes before the rows: its stride then says that the channels come last, and nothing is repacked.
    batch = picture.permute(1, 2, 0)[None].permute(0, 3, 1, 2)
    return torch.nn.functional.interpolate(batch, (height, width), mode="bilinear", antialias=True)[0]
