"""The limits of a picture, checked before any decoder sees it."""

import struct
from collections.abc import Callable

from vitrine.errors import BadRecord
from vitrine.images import bmp, gif, jpeg, png, tiff, webp
from vitrine.images.header import Header, sniff
from vitrine.product import Reason
from vitrine.settings import Pictures

_READERS: dict[str, Callable[[bytes, Pictures], Header]] = {
    "jpeg": jpeg.read,
    "png": png.read,
    "webp": webp.read,
    "gif": gif.read,
    "bmp": bmp.read,
    "tiff": tiff.read,
}


def inspect(data: bytes, limits: Pictures) -> Header:
    """Check a picture's bytes against the limits; nothing is decoded.

    Raises:
        BadRecord: `missing` (no bytes), `too_large`, `unsupported_format`, `truncated`, `corrupt`,
            `too_many_pixels`, `too_many_frames` or `too_many_scans`.
    """
    if not data:
        raise BadRecord(Reason.MISSING, "the picture has no bytes")
    if len(data) > limits.max_bytes:
        raise BadRecord(Reason.TOO_LARGE, f"{len(data)} bytes, at most {limits.max_bytes}")
    try:
        header = _READERS[sniff(data)](data, limits)
    except (IndexError, struct.error) as error:
        raise BadRecord(Reason.TRUNCATED, f"the file ends too early, after {len(data)} bytes") from error
    if not header.width or not header.height:
        raise BadRecord(Reason.CORRUPT, f"{header.width} x {header.height} pixels")
    if header.width * header.height > limits.max_pixels:
        raise BadRecord(Reason.TOO_MANY_PIXELS, f"{header.width} x {header.height}, at most {limits.max_pixels}")
    if header.frames > limits.max_frames:
        raise BadRecord(Reason.TOO_MANY_FRAMES, f"more than {limits.max_frames}")
    return header
