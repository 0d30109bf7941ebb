"""A Pillow with faults, in every Python process that has this directory first on its path.

What happens is told by the end of a GIF, BMP or WebP file; all others are decoded as ever.
"""

import ctypes
import re
from collections.abc import Callable

from PIL import ImageFile

_load = ImageFile.ImageFile.load
_spoilt_by: list[bytes] = []


def _loop() -> None:
    while True:
        pass


FAULTS: dict[bytes, Callable[[bytes], object]] = {
    b" segmentation fault": lambda _: ctypes.string_at(0),
    b" abort": lambda _: ctypes.CDLL(None).abort(),
    b" exit": lambda _: ctypes.CDLL(None)._exit(0),
    b" fault at the next picture": _spoilt_by.append,
    b" endless loop": lambda _: _loop(),
    b" endless loop that holds the interpreter": lambda _: re.match(r"(a+)+$", "a" * 100 + "b"),
    b" four gigabytes": lambda _: [bytearray(1 << 24) for _ in range(1 << 8)],
}


def load(picture: ImageFile.ImageFile) -> object:
    data = picture.fp.getvalue() if hasattr(picture.fp, "getvalue") else b""
    if data and _spoilt_by and data not in _spoilt_by:
        ctypes.string_at(0)
    for end, fault in FAULTS.items():
        if data.endswith(end):
            fault(data)
    return _load(picture)


ImageFile.ImageFile.load = load
