import io
import struct
import subprocess
import sys
import zlib

import pytest
from PIL import Image, ImageChops, ImageOps

from vitrine.errors import BadRecord
from vitrine.images import inspect, open_part, open_upright, thumbnail
from vitrine.product import Reason
from vitrine.settings import Pictures

LIMITS = Pictures()
WHITE, RED = (255, 255, 255), (255, 0, 0)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def slope(size: tuple[int, int] = (23, 17)) -> Image.Image:
    """A picture that looks different in each of the eight orientations."""
    down = Image.linear_gradient("L").resize(size)
    right = Image.linear_gradient("L").transpose(Image.Transpose.TRANSPOSE).resize(size)
    return Image.merge("RGB", (down, right, Image.new("L", size, 40)))


def painted(*colours: tuple[int, int, int]) -> Image.Image:
    """One pixel of the last colour of a palette."""
    picture = Image.new("P", (1, 1), len(colours) - 1)
    picture.putpalette([value for colour in colours for value in colour])
    return picture


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_chunks(data: bytes, *chunks: bytes) -> bytes:
    """A PNG file with chunks added behind its header."""
    return data[:33] + b"".join(chunks) + data[33:]


def png16(pixel: bytes, colour: int) -> bytes:
    header = struct.pack(">IIBBBBB", 1, 1, 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(name, body) for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" + pixel)), (b"IEND", b""))
    )


def only_pixel(data: bytes) -> object:
    return open_upright(data, LIMITS).getpixel((0, 0))


def reason(data: bytes) -> Reason:
    with pytest.raises(BadRecord) as caught:
        open_upright(data, LIMITS)
    return Reason(caught.value.reason)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_its_exif_says(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    data = encoded(slope(), kind, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert open_upright(data, LIMITS).tobytes() == expected.tobytes()
    assert open_upright(data, LIMITS).size == expected.size


MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "P", "RGB"),
    "WEBP": ("L", "P", "RGB"),
    "GIF": ("1", "L", "P", "RGB"),
    "BMP": ("1", "L", "P", "RGB"),
    "TIFF": ("1", "L", "P", "RGB", "CMYK", "YCbCr"),
}


@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in MODES.items() for mode in modes])
def test_every_kind_of_pixel_becomes_the_rgb_that_pillow_gives(kind: str, mode: str) -> None:
    data = encoded(slope().convert(mode), kind)
    expected = Image.open(io.BytesIO(data)).convert("RGB")
    assert open_upright(data, LIMITS).tobytes() == expected.tobytes()


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_a_compressed_tiff_is_what_pillow_gives(compression: str) -> None:
    data = encoded(slope(), "TIFF", compression=compression)
    expected = Image.open(io.BytesIO(data)).convert("RGB")
    assert open_upright(data, LIMITS).tobytes() == expected.tobytes()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(("alpha", "seen"), [(0, WHITE), (255, RED), (51, (255, 204, 204))])
def test_transparency_is_laid_on_white(kind: str, alpha: int, seen: tuple[int, int, int]) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    assert only_pixel(encoded(Image.new("RGBA", (1, 1), (*RED, alpha)), kind, **options)) == seen


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.new("LA", (1, 1), (0, 0)), "PNG"),
        encoded(painted(WHITE, RED), "PNG", transparency=1),
        encoded(painted(WHITE, RED), "PNG", transparency=b"\xff\0"),
        encoded(Image.new("RGB", (1, 1), RED), "PNG", transparency=RED),
        encoded(Image.new("L", (1, 1), 7), "PNG", transparency=7),
        encoded(Image.new("1", (1, 1), 0), "PNG", transparency=0),
        encoded(painted(WHITE, RED), "GIF", transparency=1),
    ],
    ids=["grey and alpha", "one of a palette", "alpha of a palette", "a colour", "a grey", "black", "gif"],
)
def test_what_a_file_calls_transparent_is_white(data: bytes) -> None:
    assert only_pixel(data) == WHITE


def test_of_sixteen_bits_the_higher_eight_count() -> None:
    assert only_pixel(png16(b"\x12\xff", 0)) == (0x12, 0x12, 0x12)
    assert only_pixel(png16(b"\x12\xff\x34\xff\x56\0", 2)) == (0x12, 0x34, 0x56)
    assert only_pixel(encoded(Image.new("I;16", (1, 1), 0x12FF), "TIFF")) == (0x12, 0x12, 0x12)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(Image.new("RGB", (9, 9), RED), kind, save_all=True, append_images=[slope((9, 9))], **options)
    assert inspect(data, LIMITS).frames == 2
    assert only_pixel(data) == RED


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_known_white_are_unsupported(mode: str) -> None:
    assert reason(encoded(Image.new(mode, (3, 3), 1), "TIFF")) == Reason.UNSUPPORTED_FORMAT


def test_a_bmp_that_pillow_does_not_know_is_unsupported() -> None:
    data = encoded(slope(), "BMP").replace(struct.pack("<HHI", 1, 24, 0), struct.pack("<HHI", 1, 24, 4), 1)
    assert reason(data) == Reason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(
    "bomb",
    [
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80_000_000))),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(80_000_000))),
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(80_000_000))),
        chunk(b"acTL", struct.pack(">II", 0, 0)) * 2,
    ],
    ids=["zTXt", "iTXt", "iCCP", "acTL"],
)
def test_what_a_png_says_beside_its_pixels_is_not_unpacked(bomb: bytes) -> None:
    data = encoded(slope(), "PNG")
    assert open_upright(with_chunks(data, bomb), LIMITS).tobytes() == slope().tobytes()


def test_pixels_that_a_png_has_too_many_of_are_not_unpacked() -> None:
    data = encoded(Image.new("L", (1, 1)), "PNG")
    bomb = chunk(b"IDAT", zlib.compress(bytes(80_000_000)))
    assert open_upright(data[:33] + bomb + chunk(b"IEND", b""), LIMITS).size == (1, 1)


def test_tags_beside_the_pixels_of_a_tiff_are_not_read() -> None:
    data = encoded(slope(), "TIFF", description="x" * 40, software="y" * 40)
    far_away = struct.pack("<HHII", 270, 2, 2**31, 2**31)
    start = data.index(struct.pack("<HH", 270, 2))
    assert open_upright(data[:start] + far_away + data[start + 12 :], LIMITS).tobytes() == slope().tobytes()


@pytest.mark.parametrize(
    ("tag", "wild", "expected"),
    [
        (273, struct.pack("<HHII", 273, 4, 2**30, 8), Reason.TRUNCATED),
        (273, struct.pack("<HHII", 273, 99, 1, 8), Reason.CORRUPT),
        (262, struct.pack("<HHII", 262, 3, 2, 2), Reason.CORRUPT),
        (277, struct.pack("<HHII", 277, 4, 1, 60_000), Reason.UNSUPPORTED_FORMAT),
    ],
)
def test_tags_of_a_tiff_that_make_no_sense_are_refused(tag: int, wild: bytes, expected: Reason) -> None:
    data = encoded(slope(), "TIFF")
    start = data.index(struct.pack("<H", tag), 8)
    assert reason(data[:start] + wild + data[start + 12 :]) == expected


def test_broken_exif_does_not_matter() -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x0e\x01\x02\0\xff\xff\0\0\xff\xff\0\0\0\0\0\0"
    data = encoded(slope(), "JPEG", exif=exif)
    assert open_upright(data, LIMITS).tobytes() == Image.open(io.BytesIO(encoded(slope(), "JPEG"))).tobytes()


def test_pillows_own_limits_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for kind in ("JPEG", "PNG", "BMP"):
        assert open_upright(encoded(slope(), kind), LIMITS).size == (23, 17)


def test_a_second_size_inside_the_file_is_corrupt() -> None:
    data = encoded(slope(), "WEBP", exif=b"x")
    size = struct.pack("<H", 22) + b"\0" + struct.pack("<H", 16) + b"\0"
    assert size in data
    assert reason(data.replace(size, struct.pack("<H", 200) + size[2:], 1)) == Reason.CORRUPT


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
def test_half_a_file_is_refused(kind: str, share: float) -> None:
    data = encoded(Image.effect_noise((40, 30), 80), kind)
    assert reason(data[: int(len(data) * share)]) in (Reason.TRUNCATED, Reason.CORRUPT)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_a_thumbnail_is_a_small_webp() -> None:
    small = opened(thumbnail(encoded(slope((400, 300)), "JPEG"), 64, LIMITS))
    assert (small.format, small.size) == ("WEBP", (64, 48))
    difference = ImageChops.difference(small.convert("RGB"), slope((400, 300)).resize((64, 48)))
    assert max(high for _, high in difference.getextrema()) < 24


def test_a_thumbnail_is_upright() -> None:
    exif = Image.Exif()
    exif[274] = 6
    assert opened(thumbnail(encoded(slope((400, 300)), "JPEG", exif=exif), 64, LIMITS)).size == (48, 64)


def test_a_thumbnail_is_not_larger_than_the_picture() -> None:
    assert opened(thumbnail(encoded(slope((20, 10)), "PNG"), 64, LIMITS)).size == (20, 10)


def test_a_thumbnail_of_a_line_is_a_line() -> None:
    assert opened(thumbnail(encoded(Image.new("L", (1, 5_000)), "PNG"), 64, LIMITS)).size == (1, 64)


def test_a_picture_that_cannot_be_opened_has_no_thumbnail() -> None:
    with pytest.raises(BadRecord, match="unsupported_format"):
        thumbnail(b"no picture", 64, LIMITS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_part_is_cut_from_the_upright_picture(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    data = encoded(slope(), "PNG", exif=exif)
    upright = open_upright(data, LIMITS)
    edges = (2, 3, upright.width - 4, upright.height - 6)
    part = open_part(data, lambda width, height: (2, 3, width - 4, height - 6), 100, LIMITS)
    assert (part.size, part.tobytes()) == (upright.crop(edges).size, upright.crop(edges).tobytes())


CUT_AND_TELL_MEMORY = """
import io, resource
from PIL import Image
from vitrine.images import open_part
from vitrine.settings import Pictures
out = io.BytesIO()
Image.new("L", (6_000, 6_000), 90).save(out, "JPEG")
open_part(out.getvalue(), lambda width, height: (0, 0, 9, 9), 100, Pictures())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
open_part(out.getvalue(), lambda width, height: (1, 1, width, height), 1_600, Pictures())
print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_only_the_part_of_a_large_picture_is_converted() -> None:
    told = subprocess.run([sys.executable, "-c", CUT_AND_TELL_MEMORY], capture_output=True, text=True, check=True)
    small, large = (int(number) for number in told.stdout.split())
    assert large - small < 10_000  # KiB; a whole picture as RGB takes 105,000
