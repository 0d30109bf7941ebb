"""A part of a picture, as bytes that are embedded like any picture's."""

import io
import math
from dataclasses import dataclass

from PIL import Image, ImageOps

from vitrine.errors import BadRecord, BadSettings
from vitrine.images import open_part
from vitrine.product import Reason
from vitrine.settings import Pictures

LONGEST_SIDE = 1_600
"""A longer part is made smaller, far above what a network sees."""
KEPT_MODES = frozenset(("1", "L", "LA", "P", "RGB", "RGBA", "I;16"))
"""What PNG can say; other modes become RGB."""


@dataclass(frozen=True, slots=True)
class Box:
    """A part of an upright picture (after its EXIF rotation), in shares of its width and height from 0 to 1.

    Raises:
        BadSettings: it is empty or not within the picture.
    """

    left: float
    top: float
    width: float
    height: float

    def __post_init__(self) -> None:
        for start, length in ((self.left, self.width), (self.top, self.height)):
            if not (0 <= start < 1 and length > 0 and start + length <= 1 + 1e-6):
                raise BadSettings(
                    "a box is left, top, width, height in shares of the picture, from 0 to 1, and lies within it"
                )

    @property
    def whole(self) -> bool:
        """Whether it is all of the picture."""
        return self.left == self.top == 0 and self.width >= 1 and self.height >= 1

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in a picture of that size: all pixels that it touches, at least one."""
        left, right = _span(self.left, self.width, width)
        top, bottom = _span(self.top, self.height, height)
        return left, top, right, bottom


def cropped(data: bytes, box: Box, limits: Pictures) -> bytes:
    """The part of a picture without loss, but at most 1,600 pixels long; a whole picture stays the bytes it was.

    Raises:
        BadRecord: the picture cannot be used, as `vitrine.images.inspect` says.
    """
    if box.whole:
        return data
    return _png(open_part(data, box.pixels, LONGEST_SIDE, limits))


def encoded(picture: Image.Image) -> bytes:
    """A picture that Pillow opened, upright, as bytes without loss.

    Raises:
        BadRecord: its pixels, which Pillow reads only now, cannot be read.
    """
    try:
        upright = ImageOps.exif_transpose(picture)
        return _png(upright if upright.mode in KEPT_MODES else upright.convert("RGB"))
    except (OSError, SyntaxError) as error:
        reason = Reason.TRUNCATED if "truncated" in str(error) else Reason.CORRUPT
        raise BadRecord(reason, f"{type(error).__name__}: {error}") from error


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


def _span(start: float, length: float, size: int) -> tuple[int, int]:
    first = min(math.floor(start * size), size - 1)
    return first, max(min(math.ceil((start + length) * size), size), first + 1)
