"""What a picture's first bytes say of it."""

from dataclasses import dataclass

from vitrine.errors import BadRecord
from vitrine.product import Reason


@dataclass(frozen=True, slots=True)
class Header:
    """Kind and size of a picture, read without decoding it."""

    format: str
    """jpeg, png, webp, gif, bmp or tiff."""
    width: int
    """Columns as stored, before `orientation` is applied."""
    height: int
    """Rows as stored, before `orientation` is applied."""
    frames: int = 1
    orientation: int = 1
    """EXIF orientation, 1 to 8."""
    plain: bool = False
    """A JPEG of 8-bit grey or three components: any decoder of the libjpeg family gives the same RGB."""


def sniff(data: bytes) -> str:
    """Format of a picture by its signature.

    Raises:
        BadRecord: `unsupported_format`.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data.startswith(b"BM"):
        return "bmp"
    if data.startswith((b"II*\0", b"MM\0*")):
        return "tiff"
    raise BadRecord(Reason.UNSUPPORTED_FORMAT, f"begins with {data[:8].hex(' ')}, no JPEG, PNG, WebP, GIF, BMP or TIFF")
