"""Pictures mutated blindly, and knowing how their format is built, as a source of chance decides."""

import random
import struct
import zlib
from collections.abc import Callable
from functools import cache

from tests.hostile.pictures import animation, exif, file

Mutation = Callable[[bytes, random.Random], bytes]
NUMBERS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 32_767, 32_768, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1)


@cache
def samples() -> tuple[bytes, ...]:
    """One sound picture of each way to be decoded."""
    turned = exif(struct.pack("<HHII", 274, 3, 1, 6))
    return (
        file("JPEG", exif=turned),
        file("JPEG", progressive=True),
        file("JPEG", "L", restart_marker_blocks=2),
        file("JPEG", "CMYK"),
        file("JPEG", subsampling=0, optimize=True),
        file("PNG", exif=turned),
        file("PNG", "P", transparency=3),
        file("PNG", "I;16"),
        file("PNG", "LA"),
        animation("PNG", 3),
        file("WEBP", exif=turned),
        file("WEBP", "RGBA", lossless=True),
        animation("WEBP", 3),
        file("GIF"),
        animation("GIF", 3),
        file("BMP"),
        file("BMP", "P"),
        *(file("TIFF", compression=way) for way in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")),
        file("TIFF", "1", compression="group4"),
        file("TIFF", "RGBA", exif=turned),
        animation("TIFF", 2),
    )


def overwritten(data: bytes, rng: random.Random) -> bytes:
    start = rng.choice((rng.randrange(len(data)), rng.randrange(min(80, len(data)))))
    new = rng.choice((rng.randbytes(1), rng.randbytes(4), b"\0" * 8, b"\xff" * 4, b"\xff\xda", b"\x7f\xff"))
    return data[:start] + new + data[start + len(new) :]


def flipped(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + bytes([data[start] ^ 1 << rng.randrange(8)]) + data[start + 1 :]


def cut(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.choice((1, 8, len(data))) :]


def spliced(data: bytes, rng: random.Random) -> bytes:
    other, start = rng.choice(samples()), rng.randrange(len(data))
    first = rng.randrange(len(other))
    return data[:start] + other[first : first + rng.randrange(1, 200)] + data[start + rng.choice((0, 0, 60)) :]


def renumbered(data: bytes, rng: random.Random) -> bytes:
    """Another number where one may stand, in either order of bytes."""
    form = rng.choice("HI")
    start = rng.randrange(max(1, len(data) - 4)) & ~1
    number = rng.choice(NUMBERS) & (0xFFFF if form == "H" else 0xFFFFFFFF)
    new = struct.pack(rng.choice("<>") + form, number)
    return data[:start] + new + data[start + len(new) :]


def rearranged(data: bytes, rng: random.Random) -> bytes:
    """The parts of a PNG, WebP or JPEG file dropped, doubled, exchanged or changed inside, each with its checksum."""
    head, parts = _parts(data)
    if len(parts) < 2:
        return flipped(data, rng)
    one, other = rng.randrange(len(parts)), rng.randrange(len(parts))
    match rng.randrange(4):
        case 0:
            del parts[one]
        case 1:
            parts.insert(other, parts[one])
        case 2:
            parts[one], parts[other] = parts[other], parts[one]
        case _:
            parts[one] = _mended(head, rng.choice((overwritten, flipped, renumbered))(parts[one], rng))
    return head + b"".join(parts)


def repacked(data: bytes, rng: random.Random) -> bytes:
    """A PNG file whose unpacked rows were changed, so that the damage lies behind the unpacking."""
    head, parts = _parts(data)
    for number, part in enumerate(parts):
        if head.startswith(b"\x89PNG") and part[4:8] == b"IDAT":
            try:
                rows = zlib.decompress(part[8:-4])
            except zlib.error:
                return flipped(data, rng)
            body = zlib.compress(rng.choice((overwritten, cut, flipped))(rows or b"\0", rng))
            parts[number] = _mended(head, struct.pack(">I", len(body)) + b"IDAT" + body + bytes(4))
            return head + b"".join(parts)
    return flipped(data, rng)


def _parts(data: bytes) -> tuple[bytes, list[bytes]]:
    """What a file begins with, and its chunks or segments; the last one takes all that is left."""
    if data.startswith(b"\x89PNG"):
        head, form, size_at, extra = 8, ">I", 0, 12
    elif data.startswith(b"RIFF"):
        head, form, size_at, extra = 12, "<I", 4, 8
    elif data.startswith(b"\xff\xd8"):
        head, form, size_at, extra = 2, ">H", 2, 2
    else:
        return data, []
    parts, start = [], head
    while start + size_at + 4 <= len(data) and len(parts) < 50:
        (size,) = struct.unpack_from(form, data, start + size_at)
        end = start + extra + size + (size % 2 if form == "<I" else 0)
        parts.append(data[start:end])
        start = end
        if parts[-1][:2] == b"\xff\xda":
            break
    if data[start:]:
        parts.append(data[start:])
    return data[:head], parts


def _mended(head: bytes, part: bytes) -> bytes:
    """A PNG chunk with the checksum of what it holds now."""
    if not head.startswith(b"\x89PNG") or len(part) < 12:
        return part
    return part[:-4] + struct.pack(">I", zlib.crc32(part[4:-4]))


MUTATIONS: tuple[Mutation, ...] = (
    overwritten,
    flipped,
    cut,
    spliced,
    renumbered,
    renumbered,
    rearranged,
    rearranged,
    repacked,
)


def mutated(rng: random.Random) -> bytes:
    """A picture with one to four mutations."""
    data = rng.choice(samples())
    for _ in range(rng.randrange(1, 5)):
        data = rng.choice(MUTATIONS)(data or b"\0", rng)
    return data
