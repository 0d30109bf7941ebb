"""Painting: from a look and a view to a picture, and to the bytes of picture files."""

import io
import math
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from vitrine.rendering.looks import Look, look
from vitrine.rendering.outlines import Outline
from vitrine.rendering.patterns import PATTERNS, Plane

OVERSAMPLING = 2
BACKGROUND, BODY, TRIM, DARK, LIGHT, PATTERN = range(6)
INKS = {"background": BACKGROUND, "body": BODY, "trim": TRIM, "dark": DARK, "light": LIGHT}
PACKSHOT_BACKGROUND = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Camera:
    """How a product is seen: `matrix` and `shift` take its unit square into the picture's."""

    matrix: tuple[tuple[float, float], tuple[float, float]] = ((1.0, 0.0), (0.0, 1.0))
    shift: tuple[float, float] = (0.0, 0.0)
    background: tuple[int, int, int] = PACKSHOT_BACKGROUND
    light: tuple[float, float] = (0.0, 0.0)
    brightness: float = 1.0
    shadow: float = 0.0

    def place(self, outline: Outline, size: int) -> list[tuple[float, float]]:
        """An outline in pixels of a picture of that size."""
        (a, b), (c, d) = self.matrix
        points = ((x - 0.5, y - 0.5) for x, y in outline)
        dx, dy = self.shift[0] + 0.5, self.shift[1] + 0.5
        return [((a * x + b * y + dx) * size, (c * x + d * y + dy) * size) for x, y in points]

    def product_plane(self, size: int) -> tuple[Plane, Plane]:
        """For each pixel the x and y on the product; inverse of `place`."""
        (a, b), (c, d) = self.matrix
        scale = 1.0 / (a * d - b * c)
        pixels = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
        right = (pixels - np.float32(self.shift[0]))[np.newaxis, :] * np.float32(scale)
        down = (pixels - np.float32(self.shift[1]))[:, np.newaxis] * np.float32(scale)
        return d * right - b * down + np.float32(0.5), a * down - c * right + np.float32(0.5)


def draw(look: Look, *, view: int = 0, size: int = 160) -> Image.Image:
    """Draw a product as an RGB picture of `size` by `size` pixels; same arguments, same picture.

    View 0 is the packshot on white; any other number sees it a little turned, nearer or farther, in another light
    and before another background.
    """
    camera = Camera() if view == 0 else _camera(look, view)
    inks = _inks(look, camera, size=size * OVERSAMPLING)
    flat = Image.fromarray(inks, "P")
    flat.putpalette([channel for colour in _palette(look, camera) for channel in colour])
    colours = np.asarray(flat.convert("RGB").reduce(OVERSAMPLING), dtype=np.float32)
    covered = Image.fromarray((inks != BACKGROUND).astype(np.uint8) * 255).reduce(OVERSAMPLING)
    return Image.fromarray(_lit(colours, covered, camera))


def jpeg(image: Image.Image, quality: int = 85) -> bytes:
    """The picture as a JPEG file."""
    return _encoded(image, "JPEG", quality=quality)


def png(image: Image.Image) -> bytes:
    """The picture as a PNG file."""
    return _encoded(image, "PNG", compress_level=1)


def webp(image: Image.Image, quality: int = 85) -> bytes:
    """The picture as a WebP file."""
    return _encoded(image, "WEBP", quality=quality, method=0)


def gif(image: Image.Image) -> bytes:
    """The picture as a GIF file."""
    return _encoded(image, "GIF")


def sample_pictures(n: int) -> list[bytes]:
    """`n` different JPEG pictures of different products, seen from different sides; always the same ones."""
    return [jpeg(draw(look(number), view=number % 4)) for number in range(n)]


def _encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _camera(look: Look, view: int) -> Camera:
    names = (look.shape.name, look.colour.name, look.accent.name, look.pattern, str(view))
    dice = random.Random("/".join(names))
    angle = math.radians(dice.uniform(-12, 12))
    scale = dice.uniform(0.8, 1.0)
    width = scale * dice.uniform(0.88, 1.0)
    lean = dice.uniform(-0.08, 0.08)
    cos, sin = math.cos(angle), math.sin(angle)
    tint = dice.choice(((236, 238, 242), (244, 239, 230), (228, 236, 232), (240, 230, 232), (222, 224, 228)))
    return Camera(
        matrix=((cos * width, -sin * scale + lean), (sin * width, cos * scale)),
        shift=(dice.uniform(-0.03, 0.03), dice.uniform(-0.03, 0.03)),
        background=tint,
        light=(dice.uniform(-0.16, 0.16), dice.uniform(-0.16, 0.16)),
        brightness=dice.uniform(0.92, 1.05),
        shadow=dice.uniform(0.15, 0.35),
    )


def _inks(look: Look, camera: Camera, *, size: int) -> NDArray[np.uint8]:
    """Which ink each pixel has, (size, size)."""
    canvas = Image.new("L", (size, size), BACKGROUND)
    pen = ImageDraw.Draw(canvas)
    for part in look.shape.parts:
        pen.polygon(camera.place(part.outline, size), fill=INKS[part.paint])
    inks = np.array(canvas)
    if look.pattern != "plain":
        shows = PATTERNS[look.pattern].mask(*camera.product_plane(size))
        inks[shows & (inks == BODY)] = PATTERN
    return inks


def _palette(look: Look, camera: Camera) -> list[tuple[int, ...]]:
    """The colour of each ink, in their order."""
    first, second = look.colour.rgb, look.accent.rgb
    darker = tuple(round(channel * 0.62) for channel in first)
    return [camera.background, first, second, darker, (248, 247, 243), second]


def _lit(colours: NDArray[np.float32], covered: Image.Image, camera: Camera) -> NDArray[np.uint8]:
    """Light the product, round at its edges, and let it cast a shadow; (size, size, 3)."""
    size = len(colours)
    soft = covered.filter(ImageFilter.BoxBlur(size / 24))
    inside = np.asarray(covered, dtype=np.float32) / 255
    volume = 1 - 0.45 * (1 - np.asarray(soft, dtype=np.float32) / 255) * inside
    place = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    slope = 1 + camera.light[0] * place[np.newaxis, :] + camera.light[1] * place[:, np.newaxis]
    light = volume * slope * (inside * (camera.brightness - 1) + 1)
    if camera.shadow:
        fallen = np.roll(np.asarray(soft, dtype=np.float32) / 255, (size // 20, size // 40), axis=(0, 1))
        light *= 1 - camera.shadow * fallen * (1 - inside)
    return np.clip(colours * light[:, :, np.newaxis], 0, 255).astype(np.uint8)
