"""Pictures for random products: small ones that an embedder of tests takes, or drawn ones for the real one."""

import struct
import zlib
from collections.abc import Callable
from random import Random

Draw = Callable[[int], bytes]
"""Gives the picture of a number; equal numbers, equal bytes."""


def tiny(number: int) -> bytes:
    """A PNG of 4 x 4 pixels."""
    pixels = Random(number).randbytes(4 * 4 * 3)
    lines = b"".join(b"\0" + pixels[i : i + 12] for i in range(0, len(pixels), 12))
    header = struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def drawn(number: int) -> bytes:
    """A JPEG of a drawn product, 48 pixels wide."""
    from vitrine.rendering import draw, jpeg, look

    return jpeg(draw(look(number), size=48))


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
