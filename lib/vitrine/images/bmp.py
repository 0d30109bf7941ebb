"""BMP files: their header."""

import struct

from vitrine.errors import BadRecord
from vitrine.images.header import Header
from vitrine.product import Reason
from vitrine.settings import Pictures

_OS2 = 12
_WINDOWS = frozenset((40, 52, 56, 64, 108, 124))


def read(data: bytes, _limits: Pictures) -> Header:
    """Header of a BMP file.

    Raises:
        BadRecord: `unsupported_format`.
        struct.error: the file ends early.
    """
    (size_bytes,) = struct.unpack_from("<I", data, 14)
    if size_bytes == _OS2:
        width, height = struct.unpack_from("<HH", data, 18)
    elif size_bytes in _WINDOWS:
        width, height = struct.unpack_from("<II", data, 18)
        if data[25] == 0xFF:  # stored from the top down
            height = 2**32 - height
    else:
        raise BadRecord(Reason.UNSUPPORTED_FORMAT, f"BMP with a header of {size_bytes} bytes")
    return Header("bmp", width, height)
