"""PNG files: their chunks."""

import struct
from collections.abc import Iterator

from vitrine.errors import BadRecord
from vitrine.images import tiff
from vitrine.images.header import Header
from vitrine.product import Reason
from vitrine.settings import Pictures

_PIXEL_CHUNKS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of each chunk, length and checksum included.

    Raises:
        struct.error: the file ends early.
    """
    position = 8
    name = b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise struct.error(end)
        yield name, position, end
        position = end


def read(data: bytes, _limits: Pictures) -> Header:
    """Header of a PNG file.

    Raises:
        BadRecord: `corrupt`.
        struct.error: the file ends early.
    """
    length, name, width, height = struct.unpack_from(">I4sII", data, 8)
    if name != b"IHDR" or length != 13:
        raise BadRecord(Reason.CORRUPT, "the PNG file does not begin with its header")
    turn, frames = 1, 1
    for name, start, end in _chunks(data):
        if name == b"eXIf":
            turn = tiff.orientation(data[start + 8 : end - 4])
        elif name == b"acTL":
            (frames,) = struct.unpack_from(">I", data, start + 8)
    return Header("png", width, height, frames=frames, orientation=turn)


def bare(data: bytes) -> bytes:
    """A PNG file without texts, profiles, animation and whatever else its pixels do not need."""
    kept = [data[start:end] for name, start, end in _chunks(data) if name in _PIXEL_CHUNKS]
    return b"".join((data[:8], *kept))
