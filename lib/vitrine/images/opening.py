"""Pictures opened with Pillow: the first frame, upright, on white, as RGB."""

import io
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


def open_upright(data: bytes, limits: Pictures) -> Image.Image:
    """The first picture of a file as 8-bit RGB, turned as its EXIF orientation says.

    Transparency is laid on white; of 16 bits the higher 8 count; colour profiles are not applied.

    Raises:
        BadRecord: as `inspect`.
    """
    return _upright(data, inspect(data, limits), draft_side=None)


def thumbnail(data: bytes, side: int, limits: Pictures) -> bytes:
    """A small WebP of a picture, upright; its longer side is `side` pixels, or what the picture has if that is less.

    Raises:
        BadRecord: as `inspect`.
    """
    picture = _upright(data, inspect(data, limits), draft_side=side)
    picture.thumbnail((side, side), Image.Resampling.BILINEAR)
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=80)
    return out.getvalue()


def _upright(data: bytes, header: Header, *, draft_side: int | None) -> Image.Image:
    try:
        picture = _open(data, header)
        if draft_side is not None:
            picture.draft("RGB", (draft_side, draft_side))
        picture.load()
        flat = _flatten(picture)
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
