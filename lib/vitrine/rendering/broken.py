"""Broken picture files, one of each kind that a real shop's catalogue holds sooner or later."""

import struct
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

from PIL import Image

from vitrine.rendering.painting import gif, jpeg, png

HTML = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>\n"
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="160" height="160"><rect width="160" height="160"/></svg>'

BROKEN_PICTURES: Mapping[str, Callable[[Image.Image], bytes | None]] = MappingProxyType(
    {
        "truncated JPEG": lambda picture: _half(jpeg(picture)),
        "no bytes": lambda picture: b"",
        "HTML error page": lambda picture: HTML,
        "corrupt PNG": lambda picture: _flipped(png(picture)),
        "too many pixels": lambda picture: _png_header(60_000, 60_000),
        "PDF": lambda picture: PDF,
        "null": lambda picture: None,
        "half a GIF": lambda picture: _half(gif(picture)),
        "zeros": lambda picture: bytes(2_000),
        "SVG": lambda picture: SVG,
    }
)


def _half(file: bytes) -> bytes:
    return file[: len(file) // 2]


def _flipped(file: bytes) -> bytes:
    """The file with every bit of its middle third turned over: headers whole, content not."""
    third = len(file) // 3
    return file[:third] + bytes(byte ^ 0xFF for byte in file[third : 2 * third]) + file[2 * third :]


def _png_header(width: int, height: int) -> bytes:
    """A small PNG file that claims to be of that size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1_000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
