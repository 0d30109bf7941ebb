"""Pictures made worse on purpose, in three strengths each: what customers' photos have and a shop's have not."""

import io
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from vitrine.images import open_upright
from vitrine.settings import Pictures

_LONGEST = 1_024
_LARGEST = Pictures()
Change = Callable[[Image.Image, float, np.random.Generator], Image.Image]


def _noise(picture: Image.Image, deviation: float, dice: np.random.Generator) -> Image.Image:
    pixels = np.asarray(picture, dtype=np.float32)
    return Image.fromarray((pixels + dice.normal(0, deviation, pixels.shape)).round().clip(0, 255).astype(np.uint8))


def _blur(picture: Image.Image, share: float, _: np.random.Generator) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(share * min(picture.size)))


def _brightness(picture: Image.Image, factor: float, _: np.random.Generator) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(factor)


def _contrast(picture: Image.Image, factor: float, _: np.random.Generator) -> Image.Image:
    return ImageEnhance.Contrast(picture).enhance(factor)


def _jpeg(picture: Image.Image, quality: float, _: np.random.Generator) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=round(quality))
    return Image.open(stream)


def _rotation(picture: Image.Image, degrees: float, _: np.random.Generator) -> Image.Image:
    """Turned within a larger picture; what is new has the middle colour of the border."""
    pixels = np.asarray(picture)
    border = np.concatenate([pixels[[0, -1]].reshape(-1, 3), pixels[:, [0, -1]].reshape(-1, 3)])
    around = tuple(int(value) for value in np.median(border, axis=0))
    return picture.rotate(degrees, Image.Resampling.BILINEAR, expand=True, fillcolor=around)


def _crop(picture: Image.Image, share: float, _: np.random.Generator) -> Image.Image:
    """The middle, of that share of each side."""
    width, height = picture.size
    wide, high = max(1, round(width * share)), max(1, round(height * share))
    left, top = (width - wide) // 2, (height - high) // 2
    return picture.crop((left, top, left + wide, top + high))


def _occlusion(picture: Image.Image, share: float, dice: np.random.Generator) -> Image.Image:
    """A grey square over that share of the area, anywhere."""
    width, height = picture.size
    wide, high = round(width * share**0.5), round(height * share**0.5)
    left, top = int(dice.integers(width - wide + 1)), int(dice.integers(height - high + 1))
    covered = picture.copy()
    covered.paste((128, 128, 128), (left, top, left + wide, top + high))
    return covered


def _grey(picture: Image.Image, share: float, _: np.random.Generator) -> Image.Image:
    return ImageEnhance.Color(picture).enhance(1 - share)


DISTORTIONS: Mapping[str, tuple[Change, tuple[float, float, float]]] = {
    "noise": (_noise, (10, 25, 50)),
    "blur": (_blur, (0.01, 0.02, 0.04)),
    "darker": (_brightness, (0.75, 0.5, 0.25)),
    "brighter": (_brightness, (1.25, 1.5, 2.0)),
    "contrast": (_contrast, (0.75, 0.5, 0.25)),
    "jpeg": (_jpeg, (40, 20, 10)),
    "rotation": (_rotation, (5, 15, 30)),
    "crop": (_crop, (0.85, 0.7, 0.5)),
    "occlusion": (_occlusion, (0.1, 0.2, 0.35)),
    "grey": (_grey, (0.5, 0.8, 1.0)),
}
"""What is done, and its strengths: deviation of 255; share of the shorter side; factor; quality; degrees; share."""


def with_room(limits: Pictures) -> Pictures:
    """The same limits, in bytes and pixels at least so wide that all that `distorted` makes is within them."""
    return limits.model_copy(
        update={
            "max_bytes": max(limits.max_bytes, _LARGEST.max_bytes),
            "max_pixels": max(limits.max_pixels, _LARGEST.max_pixels),
        }
    )


def distorted(data: bytes, name: str, strength: float, limits: Pictures, *, seed: int) -> bytes:
    """The picture with that distortion, its longer side at most 1,024 pixels, in a format that loses nothing else.

    `limits` are those of the picture; what is made of it may be larger, see `with_room`.

    Raises:
        BadRecord: the picture cannot be used.
    """
    change = DISTORTIONS[name][0]
    picture = open_upright(data, limits)
    picture.thumbnail((_LONGEST, _LONGEST))
    stream = io.BytesIO()
    change(picture, strength, np.random.default_rng(seed)).save(stream, "BMP")
    return stream.getvalue()
