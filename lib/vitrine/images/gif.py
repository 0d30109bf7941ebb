"""GIF files: their blocks."""

import struct

from vitrine.errors import BadRecord
from vitrine.images.header import Header
from vitrine.product import Reason
from vitrine.settings import Pictures

_EXTENSION, _PICTURE, _TRAILER = 0x21, 0x2C, 0x3B


def _colours_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _skip_blocks(data: bytes, position: int) -> int:
    while size := data[position]:
        position += size + 1
    return position + 1


def read(data: bytes, limits: Pictures) -> Header:
    """Header of a GIF file; the size covers screen and first frame, `frames` counts up to one more than allowed.

    A file that ends after its first frame is good: no other frame is used.

    Raises:
        BadRecord: `corrupt`.
        IndexError, struct.error: the file ends within the first frame.
    """
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position, frames = 13 + _colours_bytes(flags), 0
    try:
        while frames <= limits.max_frames and (kind := data[position]) != _TRAILER:
            if kind == _EXTENSION:
                position = _skip_blocks(data, position + 2)
            elif kind == _PICTURE:
                left, top, columns, rows, flags = struct.unpack_from("<4HB", data, position + 1)
                position = _skip_blocks(data, position + 11 + _colours_bytes(flags))
                frames += 1
                if frames == 1:
                    width, height = max(width, left + columns), max(height, top + rows)
            else:
                position += 1
    except (IndexError, struct.error):
        if not frames:
            raise
    if not frames:
        raise BadRecord(Reason.CORRUPT, "the GIF file holds no picture")
    return Header("gif", width, height, frames=frames)
