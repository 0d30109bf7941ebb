"""WebP files: their chunks."""

import struct

from vitrine.errors import BadRecord
from vitrine.images import tiff
from vitrine.images.header import Header
from vitrine.product import Reason
from vitrine.settings import Pictures


def _three_bytes(data: bytes, position: int) -> int:
    low, high = struct.unpack_from("<HB", data, position)
    return int(high << 16 | low)


def _size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return _three_bytes(data, 24) + 1, _three_bytes(data, 27) + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise BadRecord(Reason.CORRUPT, f"WebP chunk {kind!r} where the picture should begin")


def read(data: bytes, _limits: Pictures) -> Header:
    """Header of a WebP file.

    Raises:
        BadRecord: `corrupt`.
        struct.error: the file ends early.
    """
    (size_bytes,) = struct.unpack_from("<I", data, 4)
    end = 8 + size_bytes
    if end > len(data):
        raise struct.error(end)
    width, height = _size(data)
    position, frames, turn = 12, 0, 1
    while position + 8 <= end:
        name, length = struct.unpack_from("<4sI", data, position)
        if name == b"ANMF":
            frames += 1
        elif name == b"EXIF":
            turn = tiff.orientation(data[position + 8 : position + 8 + length])
        position += 8 + length + length % 2
    return Header("webp", width, height, frames=max(1, frames), orientation=turn)
