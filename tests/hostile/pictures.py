"""Hostile pictures: what each is called, what must become of it, and its bytes."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator

from PIL import Image, ImageDraw

Kind = tuple[str, str, bytes | None]
"""Name, outcome (`embedded` or the reason of its rejection) and bytes."""

MAX_BYTES = 400_000
LITTLE_TAG = struct.Struct("<HHII")


def photo(width: int = 24, height: int = 20) -> Image.Image:
    """A disc on a slope of colours."""
    slope = Image.merge("RGB", [Image.linear_gradient("L").rotate(90 * n).resize((width, height)) for n in range(3)])
    ImageDraw.Draw(slope).ellipse((width // 4, height // 4, 3 * width // 4, 3 * height // 4), "red")
    return slope


def file(kind: str, mode: str = "RGB", size: tuple[int, int] = (24, 20), **options: object) -> bytes:
    """A sound file."""
    out = io.BytesIO()
    photo(*size).convert(mode).save(out, kind, **options)
    return out.getvalue()


def animation(kind: str, frames: int) -> bytes:
    """A sound animation."""
    return file(kind, save_all=True, append_images=[photo().rotate(20 * n) for n in range(1, frames)])


def changed(data: bytes, old: bytes, new: bytes) -> bytes:
    """`data` with the first `old`, which must be there, as `new`."""
    assert old in data
    return data.replace(old, new, 1)


def tagged(data: bytes, tag: int, kind: int, count: int, value: int) -> bytes:
    """A little-endian TIFF file with another value for a tag that it has."""
    start = data.index(struct.pack("<H", tag), 8)
    return data[:start] + LITTLE_TAG.pack(tag, kind, count, value) + data[start + 12 :]


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, pixels: bytes, *, bits: int = 8, colour: int = 2, interlaced: int = 0) -> bytes:
    """A PNG file of these unfiltered rows."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    return png_of(chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(pixels)))


def png_of(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")


def with_chunks(*chunks: bytes) -> bytes:
    """A sound PNG file with chunks behind its header."""
    data = file("PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def with_segments(*bodies: bytes, marker: int = 0xE1) -> bytes:
    """A sound JPEG file with application segments behind its start."""
    data = file("JPEG")
    segments = (bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body for body in bodies)
    return data[:2] + b"".join(segments) + data[2:]


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(content)) + content for name, content in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def many_scans(scans: int) -> bytes:
    """A progressive JPEG file whose first scan is there so many times."""
    data = file("JPEG", progressive=True)
    first = data.index(b"\xff\xda")
    second = data.index(b"\xff\xc4", first)
    return data[:first] + data[first:second] * scans + b"\xff\xd9"


def arithmetic() -> bytes:
    """A grey JPEG file in arithmetic coding, whose scan has no bits: all its differences are zero."""
    frame = b"\xff\xc9\0\x0b\x08" + struct.pack(">HH", 8, 8) + b"\x01\x01\x11\0"
    return b"\xff\xd8\xff\xdb\0\x43\0" + b"\x01" * 64 + frame + b"\xff\xda\0\x08\x01\x01\0\0\x3f\0" + b"\xff\xd9"


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(10_000_000))
    return out.getvalue()


def exif(*entries: bytes, following: int = 0) -> bytes:
    return (
        b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", following)
    )


def no_pictures() -> Iterator[Kind]:
    """What is no picture, or none of a kind that is read."""
    unsupported = {
        "a page that says 404": b"<!DOCTYPE html><title>404</title>",
        "an SVG": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "a PDF": b"%PDF-1.7\n1 0 obj",
        "an AVIF": b"\0\0\0\x20ftypavif\0\0\0\0avifmif1",
        "a PSD": b"8BPS\0\1" + bytes(40),
        "a JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
        "a BigTIFF": b"II+\0\x08\0\0\0" + bytes(40),
        "an ICO": b"\0\0\1\0\1\0" + bytes(40),
        "a bomb in a ZIP": zipped(),
        "zeros": bytes(2_000),
        "random bytes": random.Random(0).randbytes(2_000),
        "the word null": b"null",
        "base64 of a picture": b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
        "a JPEG of 12 bits": changed(file("JPEG"), b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c"),
        "a lossless JPEG": changed(file("JPEG"), b"\xff\xc0", b"\xff\xc3"),
        "a JPEG inside a BMP": changed(file("BMP"), struct.pack("<HHI", 1, 24, 0), struct.pack("<HHI", 1, 24, 4)),
        "a TIFF of JPEG 2000": tagged(file("TIFF"), 259, 3, 1, 34712),
        "a TIFF of floats": file("TIFF", "F"),
        "a TIFF of LAB colours": file("TIFF", "LAB"),
        "a TIFF of 60,000 channels": tagged(file("TIFF"), 277, 4, 1, 60_000),
    }
    yield from ((name, "unsupported_format", data) for name, data in unsupported.items())
    yield from (("null bytes", "missing", None), ("no bytes", "missing", b""))


def too_much() -> Iterator[Kind]:
    """Bombs, known by their headers."""
    size = struct.pack("<ii", 24, 20)
    bombs = {
        "a PNG of 60,000 x 60,000": png(60_000, 60_000, bytes(1_000)),
        "an interlaced PNG of 50,000 x 50,000": png(50_000, 50_000, bytes(1_000), interlaced=1),
        "a JPEG of 65,500 x 65,500": changed(
            file("JPEG"), struct.pack(">HH", 20, 24), struct.pack(">HH", 65_500, 65_500)
        ),
        "a GIF with a screen of 65,535 x 65,535": changed(file("GIF"), struct.pack("<HH", 24, 20), b"\xff" * 4),
        "a GIF with a frame of 65,535 x 65,535": changed(file("GIF"), struct.pack("<4H", 0, 0, 24, 20), b"\xff" * 8),
        "a WebP of 16,383 x 16,383": changed(
            file("WEBP"), b"\x9d\x01\x2a\x18\0\x14\0", b"\x9d\x01\x2a\xff\x3f\xff\x3f"
        ),
        "a BMP of 50,000 x -50,000": changed(file("BMP"), size, struct.pack("<ii", 50_000, -50_000)),
        "a TIFF of 4,294,967,295 columns": tagged(file("TIFF"), 256, 4, 1, 2**32 - 1),
    }
    yield from ((name, "too_many_pixels", data) for name, data in bombs.items())
    frame = b",\0\0\0\0\1\0\1\0\0\x02\x02D\1\0"
    circle = animation("TIFF", 2)
    (first,) = struct.unpack_from("<I", circle, 4)
    end = first + 2 + 12 * struct.unpack_from("<H", circle, first)[0]
    still = (b"VP8X", struct.pack("<I", 2) + bytes(6))
    frames = {
        "a GIF of 5,000 frames": b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff" + frame * 5_000 + b";",
        "a WebP of 5,000 frames": webp(still, *[(b"ANMF", bytes(24))] * 5_000),
        "an APNG that claims 4,000,000,000 frames": with_chunks(chunk(b"acTL", struct.pack(">II", 4_000_000_000, 0))),
        "a TIFF whose directories run in a circle": circle[:end] + struct.pack("<I", first) + circle[end + 4 :],
    }
    yield from ((name, "too_many_frames", data) for name, data in frames.items())
    yield "a progressive JPEG of 5,000 scans", "too_many_scans", many_scans(5_000)
    yield "a file of more bytes than allowed", "too_large", file("PNG") + bytes(MAX_BYTES)


def broken() -> Iterator[Kind]:
    """Pictures with something wrong inside."""
    for kind, options in (("JPEG", {}), ("PNG", {}), ("GIF", {}), ("WEBP", {}), ("BMP", {}), ("TIFF", {})):
        data = file(kind, **options)
        yield f"half a {kind}", "truncated", data[: len(data) // 2]
    scans = file("JPEG", progressive=True)
    tiff, jpeg, sound = file("TIFF"), file("JPEG"), file("PNG")
    yield "a progressive JPEG without its last scans", "truncated", scans[: scans.rindex(b"\xff\xda")]
    yield "a JPEG without its end", "truncated", jpeg[:-2]
    yield "the first three bytes of a JPEG", "truncated", jpeg[:3]
    yield "a PNG without its end", "truncated", sound[:-12]
    yield "a TIFF whose pixels lie behind its end", "truncated", tagged(tiff, 273, 4, 1, 2**31)
    frame = jpeg.index(b"\xff\xc0")
    third = len(sound) // 3
    flipped = bytes(byte ^ 0xFF for byte in sound[third : 2 * third])
    wide = file("WEBP", exif=b"x")
    corrupt = {
        "a PNG with flipped bytes": sound[:third] + flipped + sound[2 * third :],
        "a PNG of 0 x 5": png(0, 5, b""),
        "a PNG without pixels": png_of(sound[8:33]),
        "a PNG whose header has a wrong checksum": sound[:29] + b"\0\0\0\0" + sound[33:],
        "a JPEG of no rows": changed(jpeg, struct.pack(">HH", 20, 24), struct.pack(">HH", 0, 24)),
        "a JPEG with two sizes": jpeg[:frame] + jpeg[frame : frame + 19] + jpeg[frame:],
        "a JPEG without a picture": b"\xff\xd8\xff\xe0\0\x04xx\xff\xd9",
        "a GIF without a picture": b"GIF89a\1\0\1\0\0\0\0;",
        "a WebP with two sizes": changed(wide, struct.pack("<H", 23), struct.pack("<H", 200)),
        "a TIFF tag of an unknown type": tagged(tiff, 273, 99, 1, 8),
        "a TIFF with two colour models": tagged(tiff, 262, 3, 2, 2),
    }
    yield from ((name, "corrupt", data) for name, data in corrupt.items())


def odd() -> Iterator[Kind]:
    """Pictures that look dangerous, or are rare, and have their vectors all the same."""
    bomb = zlib.compress(bytes(80_000_000))
    loop = exif(LITTLE_TAG.pack(0x8769, 4, 1, 8), following=8)
    cmyk = file("JPEG", "CMYK")
    profiles = [b"ICC_PROFILE\0" + bytes((n, 255 - n)) + b"acsp" * 100 for n in range(1, 100)]
    good = {
        "one pixel": file("PNG", size=(1, 1)),
        "1 x 5,000 pixels": file("PNG", size=(1, 5_000)),
        "5,000 x 1 pixels": file("PNG", size=(5_000, 1)),
        "a CMYK JPEG": cmyk,
        "a YCCK JPEG": changed(cmyk, b"Adobe\0\x64\0\0\0\0\0", b"Adobe\0\x64\0\0\0\0\2"),
        "an arithmetic JPEG": arithmetic(),
        "a progressive JPEG of 100 scans": many_scans(100),
        "a PNG of 16 bits": png(1, 1, b"\0\x12\xff\x34\xff\x56\0", bits=16),
        "a grey PNG of 16 bits": png(1, 1, b"\0\x12\xff", bits=16, colour=0),
        "an interlaced PNG": png(1, 1, b"\0\x12\x34\x56", interlaced=1),
        "a PNG of one bit": file("PNG", "1"),
        "a transparent PNG": file("PNG", "RGBA"),
        "a PNG with a bomb in its text": with_chunks(chunk(b"zTXt", b"Comment\0\0" + bomb)),
        "a PNG with a bomb in its profile": with_chunks(chunk(b"iCCP", b"profile\0\0" + bomb)),
        "a PNG with more pixels than it says": png(1, 1, bytes(20_000_000)),
        "an APNG": animation("PNG", 3),
        "an animated GIF": animation("GIF", 3),
        "an animated WebP": animation("WEBP", 3),
        "a GIF that ends after its first frame": animation("GIF", 3)[: len(file("GIF")) + 60],
        "a TIFF of three pages": animation("TIFF", 3),
        "a TIFF in big-endian order": b"MM" + big_endian(),
        "a BMP from the top down": png_to_bmp(),
        "a JPEG with 300 kB of EXIF": with_segments(*[b"Exif\0\0" + bytes(60_000)] * 5),
        "EXIF that points at itself": with_segments(loop),
        "EXIF that ends early": with_segments(b"Exif\0\0II*\0\xff\xff\xff\x7f"),
        "EXIF that turns it nine ways": with_segments(exif(LITTLE_TAG.pack(274, 3, 1, 9))),
        "99 profiles that contradict each other": with_segments(*profiles, marker=0xE2),
        "a JPEG that is a ZIP too": file("JPEG") + zipped(),
        "a GIF that is a script too": file("GIF") + b"/*<script>alert(1)</script>*/",
        "a PNG with a program behind it": file("PNG") + b"\x7fELF" + bytes(500),
    }
    yield from ((name, "embedded", data) for name, data in good.items())


def big_endian() -> bytes:
    """What follows the byte order of a TIFF file of one white pixel."""
    tags = (
        (256, 3, 1),
        (257, 3, 1),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 3, 1),
        (279, 4, 1),
    )
    entries = b"".join(
        struct.pack(">HHI", tag, kind, 1) + (struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value))
        for tag, kind, value in tags
    )
    return b"\0*\0\0\0\x0a\xff\0" + struct.pack(">H", len(tags)) + entries + bytes(4)


def png_to_bmp() -> bytes:
    data = file("BMP", size=(1, 1))
    return changed(data, struct.pack("<ii", 1, 1), struct.pack("<ii", 1, -1))


def deadly() -> Iterator[Kind]:
    """Sound pictures that tests/faulty_pillow does not survive."""
    ends = {
        " segmentation fault": "decoder_crash",
        " abort": "decoder_crash",
        " exit": "decoder_crash",
        " endless loop": "decode_timeout",
        " endless loop that holds the interpreter": "decode_timeout",
    }
    for end, outcome in ends.items():
        yield f"a picture that makes the decoder end in:{end}", outcome, file("GIF") + end.encode()


def pictures() -> list[Kind]:
    """All kinds; those that kill the decoder come first."""
    return [*deadly(), *no_pictures(), *too_much(), *broken(), *odd()]
