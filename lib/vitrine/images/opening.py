"""Pictures opened with Pillow: the first frame, upright, on white, as RGB."""

import io
import math
import struct
from collections.abc import Callable

from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from vitrine.errors import BadRecord
from vitrine.images import jpeg, png, tiff
from vitrine.images.header import Header
from vitrine.images.inspection import inspect
from vitrine.product import Reason
from vitrine.settings import Pictures

# The classes, since Image.open would try other formats too and hold Pillow's limits against those of the settings.
_FILES: dict[str, type[ImageFile.ImageFile]] = {
    "jpeg": JpegImageFile,
    "png": PngImageFile,
    "webp": WebPImageFile,
    "gif": GifImageFile,
    "bmp": BmpImageFile,
    "tiff": TiffImageFile,
}
# Texts, profiles and tags can be bombs, and make Pillow warn: they do not reach it.
_BARE: dict[str, Callable[[bytes], bytes]] = {"jpeg": jpeg.bare, "png": png.bare, "tiff": tiff.bare}
_WITHOUT_RANGE = frozenset(("I", "F", "LAB", "HSV"))
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS, _MIRRORED, _UPSIDE_DOWN = frozenset((5, 6, 7, 8)), frozenset((2, 3, 7, 8)), frozenset((3, 4, 6, 7))

SIZE = struct.Struct("<II")
"""Height and width, before the rows of `pixels`."""
Edges = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""


def open_upright(data: bytes, limits: Pictures) -> Image.Image:
    """The first picture of a file as 8-bit RGB, turned as its EXIF orientation says.

    Transparency is laid on white; of 16 bits the higher 8 count; colour profiles are not applied.

    Raises:
        BadRecord: as `inspect`.
    """
    return _upright(data, inspect(data, limits), _loaded)


def open_part(data: bytes, edges: Callable[[int, int], Edges], longest: int, limits: Pictures) -> Image.Image:
    """A part of what `open_upright` gives, its longer side at most `longest` pixels; only the part is converted.

    `edges` gives those of the part in an upright picture of any width and height: a large JPEG is made smaller while it
    is decoded. Takes at most 4 bytes a pixel of the picture beside the part.

    Raises:
        BadRecord: as `inspect`.
    """
    header = inspect(data, limits)

    def cut(picture: ImageFile.ImageFile) -> Image.Image:
        left, top, right, bottom = _as_stored(edges, picture.size, header.orientation)
        smaller = max(right - left, bottom - top) / longest
        if smaller > 1:
            picture.draft("RGB", (math.ceil(picture.width / smaller), math.ceil(picture.height / smaller)))
        return picture.crop(_as_stored(edges, picture.size, header.orientation))

    part = _upright(data, header, cut)
    part.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return part


def thumbnail(data: bytes, side: int, limits: Pictures) -> bytes:
    """A small WebP of a picture, upright; its longer side is `side` pixels, or what the picture has if that is less.

    Raises:
        BadRecord: as `inspect`.
    """

    def drafted(picture: ImageFile.ImageFile) -> Image.Image:
        picture.draft("RGB", (side, side))
        return _loaded(picture)

    picture = _upright(data, inspect(data, limits), drafted)
    picture.thumbnail((side, side), Image.Resampling.BILINEAR)
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=80)
    return out.getvalue()


def pixels(data: bytes, limits: Pictures) -> bytes:
    """`open_upright`, as work for a process apart: `SIZE`, then rows of RGB."""
    picture = open_upright(data, limits)
    return SIZE.pack(picture.height, picture.width) + picture.tobytes()


def outlived(data: bytes, limits: Pictures) -> bytes:
    """`open_upright`, as work for a process apart that only shows whether a picture comes through; gives nothing."""
    open_upright(data, limits)
    return b""


def _loaded(picture: ImageFile.ImageFile) -> Image.Image:
    picture.load()
    return picture


def _as_stored(edges: Callable[[int, int], Edges], size: tuple[int, int], orientation: int) -> Edges:
    """Where the part lies in a picture of that size before it is turned."""
    width, height = size
    if orientation in _SIDEWAYS:
        top, left, bottom, right = edges(height, width)
    else:
        left, top, right, bottom = edges(width, height)
    if orientation in _MIRRORED:
        left, right = width - right, width - left
    if orientation in _UPSIDE_DOWN:
        top, bottom = height - bottom, height - top
    return left, top, right, bottom


def _upright(data: bytes, header: Header, pixels: Callable[[ImageFile.ImageFile], Image.Image]) -> Image.Image:
    try:
        flat = _flatten(pixels(_open(data, header)))
    except BadRecord:
        raise
    except (MemoryError, Image.DecompressionBombError) as error:
        raise BadRecord(Reason.TOO_MANY_PIXELS, f"no room for {header.width} x {header.height}") from error
    except Exception as error:  # decoders raise anything, and a run must outlive a picture
        raise _reject(error, Reason.CORRUPT) from error
    return flat.transpose(_TURNS[header.orientation]) if header.orientation in _TURNS else flat


def _open(data: bytes, header: Header) -> ImageFile.ImageFile:
    bare = _BARE.get(header.format, bytes)(data)
    try:
        picture = _FILES[header.format](io.BytesIO(bare))
    except (OSError, SyntaxError) as error:
        # BMP and TIFF are families: what their header allows is more than Pillow knows.
        family = header.format in ("bmp", "tiff")
        raise _reject(error, Reason.UNSUPPORTED_FORMAT if family else Reason.CORRUPT) from error
    if picture.size != (header.width, header.height):
        raise BadRecord(
            Reason.CORRUPT, f"{header.width} x {header.height} pixels, or {picture.width} x {picture.height}"
        )
    return picture


def _reject(error: Exception, reason: Reason) -> BadRecord:
    said = " ".join(str(error).split())[:200]
    return BadRecord(Reason.TRUNCATED if "truncated" in said.lower() else reason, f"{type(error).__name__}: {said}")


def _flatten(picture: Image.Image) -> Image.Image:
    if picture.mode in _WITHOUT_RANGE:
        raise BadRecord(Reason.UNSUPPORTED_FORMAT, f"pixels of mode {picture.mode}")
    if picture.mode.startswith("I;16"):
        picture.info.pop("transparency", None)
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    coloured = picture.convert("RGBA")
    flat = Image.new("RGB", coloured.size, "white")
    flat.paste(coloured, mask=coloured)
    return flat
