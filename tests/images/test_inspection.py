import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vitrine.errors import BadRecord
from vitrine.images import inspect
from vitrine.product import Reason
from vitrine.settings import Pictures

LIMITS = Pictures()
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


def encoded(kind: str, size: tuple[int, int] = (7, 5), mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "white").save(out, kind, **options)
    return out.getvalue()


def animation(kind: str, frames: int) -> bytes:
    out = io.BytesIO()
    first, *others = [Image.new("RGB", (7, 5), (80 * n, 0, 0)) for n in range(frames)]
    first.save(out, kind, save_all=True, append_images=others)
    return out.getvalue()


def reason(data: bytes, limits: Pictures = LIMITS) -> Reason:
    with pytest.raises(BadRecord) as caught:
        inspect(data, limits)
    return Reason(caught.value.reason)


def progressive(scans: int) -> bytes:
    """A progressive JPEG whose first scan is there `scans` times."""
    data = encoded("JPEG", (16, 16), progressive=True)
    first = data.index(b"\xff\xda")
    second = data.index(b"\xff\xc4", first)
    return data[:first] + data[first:second] * scans + b"\xff\xd9"


@pytest.mark.parametrize("kind", FORMATS)
@given(width=st.integers(1, 80), height=st.integers(1, 80))
def test_the_header_says_what_pillow_says(kind: str, width: int, height: int) -> None:
    header = inspect(encoded(kind, (width, height)), LIMITS)
    assert (header.format, header.width, header.height, header.frames) == (kind.lower(), width, height, 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_header_says_how_the_picture_lies(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    assert inspect(encoded(kind, exif=exif), LIMITS).orientation == orientation


@pytest.mark.parametrize("exif", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"nonsense"])
def test_broken_exif_means_upright(exif: bytes) -> None:
    assert inspect(encoded("JPEG", exif=b"Exif\0\0" + exif), LIMITS).orientation == 1


def test_an_orientation_that_does_not_exist_means_upright() -> None:
    exif = Image.Exif()
    exif[274] = 9
    assert inspect(encoded("JPEG", exif=exif), LIMITS).orientation == 1


@pytest.mark.parametrize(
    ("mode", "options", "plain"),
    [
        ("RGB", {}, True),
        ("L", {}, True),
        ("RGB", {"progressive": True}, True),
        ("RGB", {"restart_marker_blocks": 1}, True),
        ("CMYK", {}, False),
    ],
)
def test_grey_and_rgb_jpegs_are_plain(mode: str, options: dict[str, object], plain: bool) -> None:
    assert inspect(encoded("JPEG", mode=mode, **options), LIMITS).plain is plain


def test_no_bytes_are_missing() -> None:
    assert reason(b"") == Reason.MISSING


@pytest.mark.parametrize(
    "data", [b"x", b"<svg/>", b"%PDF-1.7", b"\0\0\0\x20ftypavif", b"II+\0\x08\0\0\0", b"RIFF\0\0\0\0WAVE", b"\xff\xd8"]
)
def test_other_kinds_are_unsupported(data: bytes) -> None:
    assert reason(data) == Reason.UNSUPPORTED_FORMAT


def test_a_file_of_more_bytes_than_allowed_is_too_large() -> None:
    data = encoded("PNG")
    assert inspect(data, Pictures(max_bytes=len(data)))
    assert reason(data, Pictures(max_bytes=len(data) - 1)) == Reason.TOO_LARGE


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_of_more_pixels_than_allowed_is_refused(kind: str) -> None:
    data = encoded(kind, (7, 5))
    assert inspect(data, Pictures(max_pixels=35))
    assert reason(data, Pictures(max_pixels=34)) == Reason.TOO_MANY_PIXELS


@pytest.mark.parametrize(
    ("data", "size", "bomb"),
    [
        (encoded("JPEG"), struct.pack(">HH", 5, 7), b"\xff\xff\xff\xff"),
        (encoded("PNG"), struct.pack(">II", 7, 5), struct.pack(">II", 50_000, 50_000)),
        (encoded("GIF"), struct.pack("<HH", 7, 5), b"\xff\xff\xff\xff"),
        (encoded("GIF"), struct.pack("<4H", 0, 0, 7, 5), b"\xff" * 8),
        (encoded("BMP"), struct.pack("<ii", 7, 5), struct.pack("<ii", 50_000, -50_000)),
        (encoded("BMP"), struct.pack("<ii", 7, 5), struct.pack("<ii", 1, -0x1000001)),
        (encoded("WEBP"), b"\x9d\x01\x2a" + struct.pack("<HH", 7, 5), b"\x9d\x01\x2a\xff\x3f\xff\x3f"),
        (encoded("WEBP", mode="RGBA", lossless=True), b"\x2f\x06\x00\x01\x00", b"\x2f\xff\xff\xff\x0f"),
        (encoded("WEBP", exif=b"x"), b"\x06\0\0\x04\0\0", b"\xff" * 6),
        (encoded("TIFF"), struct.pack("<HHII", 256, 4, 1, 7), struct.pack("<HHII", 256, 4, 1, 2**32 - 1)),
    ],
)
def test_a_bomb_is_known_by_its_header(data: bytes, size: bytes, bomb: bytes) -> None:
    assert size in data
    assert reason(data.replace(size, bomb, 1)) == Reason.TOO_MANY_PIXELS


def test_tiles_larger_than_a_picture_may_be_are_refused() -> None:
    data = encoded("TIFF")
    rows_per_strip, tile = struct.pack("<HHII", 278, 4, 1, 5), struct.pack("<HHII", 322, 4, 1, 60_000)
    samples, height = struct.pack("<HHII", 277, 3, 1, 3), struct.pack("<HHII", 323, 4, 1, 60_000)
    assert reason(data.replace(rows_per_strip, tile).replace(samples, height)) == Reason.TOO_MANY_PIXELS


@pytest.mark.parametrize("compression", [6, 34712, 50000])
def test_a_tiff_of_a_rare_compression_is_unsupported(compression: int) -> None:
    data = encoded("TIFF").replace(struct.pack("<HHII", 259, 3, 1, 1), struct.pack("<HHII", 259, 3, 1, compression))
    assert reason(data) == Reason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_an_animation_of_more_frames_than_allowed_is_refused(kind: str) -> None:
    data = animation(kind, 4)
    assert inspect(data, Pictures(max_frames=4)).frames == 4
    assert reason(data, Pictures(max_frames=3)) == Reason.TOO_MANY_FRAMES


def test_a_gif_of_five_thousand_frames_is_refused() -> None:
    data = encoded("GIF")
    frame = data[data.index(b"\x2c\0\0") : -1]
    assert reason(data[:-1] + frame * 4_999 + b";") == Reason.TOO_MANY_FRAMES


def test_a_tiff_whose_directories_run_in_a_circle_is_refused() -> None:
    data = animation("TIFF", 2)
    first, count = struct.unpack_from("<I", data, 4)[0], struct.unpack_from("<H", data, 8)[0]
    end = first + 2 + 12 * count
    assert reason(data[:end] + struct.pack("<I", first) + data[end + 4 :]) == Reason.TOO_MANY_FRAMES


def test_a_jpeg_of_more_scans_than_allowed_is_refused() -> None:
    assert inspect(progressive(100), LIMITS).plain
    assert reason(progressive(101)) == Reason.TOO_MANY_SCANS


def test_scans_count_where_each_component_has_its_own() -> None:
    data = encoded("JPEG", (16, 16))
    start = data.index(b"\xff\xda")
    scan = b"\xff\xda\0\x08\1\1\0\0\x3f\0\0"
    assert reason(data[:start] + scan * 101 + b"\xff\xd9") == Reason.TOO_MANY_SCANS


def test_markers_within_exif_are_not_the_pictures() -> None:
    inner = encoded("JPEG", (3, 2), progressive=True) * 50
    header = inspect(encoded("JPEG", (7, 5), progressive=True, exif=b"Exif\0\0" + inner), LIMITS)
    assert (header.width, header.height) == (7, 5)


def test_filling_before_a_marker_is_allowed() -> None:
    data = encoded("JPEG")
    assert inspect(data.replace(b"\xff\xdb", b"\xff\xff\xff\xdb"), LIMITS).width == 7


def test_two_sizes_in_a_jpeg_are_corrupt() -> None:
    data = encoded("JPEG")
    start = data.index(b"\xff\xc0")
    assert reason(data[:start] + data[start : start + 19] + data[start:]) == Reason.CORRUPT


@pytest.mark.parametrize(("marker", "detail"), [(b"\xff\xc3\0\x11\x08", "kind c3"), (b"\xff\xc1\0\x11\x0c", "12 bits")])
def test_lossless_and_12_bit_jpegs_are_unsupported(marker: bytes, detail: str) -> None:
    with pytest.raises(BadRecord, match=detail) as caught:
        inspect(encoded("JPEG").replace(b"\xff\xc0\0\x11\x08", marker), LIMITS)
    assert caught.value.reason == Reason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(
    ("kind", "size", "empty"),
    [
        ("JPEG", struct.pack(">HH", 5, 7), struct.pack(">HH", 0, 7)),
        ("PNG", struct.pack(">II", 7, 5), struct.pack(">II", 7, 0)),
        ("BMP", struct.pack("<ii", 7, 5), struct.pack("<ii", 0, 5)),
        ("TIFF", struct.pack("<HHII", 256, 4, 1, 7), struct.pack("<HHII", 256, 4, 1, 0)),
    ],
)
def test_a_picture_without_pixels_is_corrupt(kind: str, size: bytes, empty: bytes) -> None:
    assert reason(encoded(kind).replace(size, empty, 1)) == Reason.CORRUPT


@pytest.mark.parametrize("kind", FORMATS)
def test_a_header_cut_anywhere_is_refused(kind: str) -> None:
    data = encoded(kind)
    for end in range(26):
        assert reason(data[:end]) in (Reason.MISSING, Reason.UNSUPPORTED_FORMAT, Reason.TRUNCATED)
