"""Random views of pictures as customers would send them: cropped, turned, in other light, before other things."""

from dataclasses import dataclass

import torch
import torchvision.io  # noqa: F401  (registers torch.ops.image)
from torch import Tensor, nn
from torchvision.transforms import v2

Range = tuple[float, float]

_RGB = 3
_SHRUNK = 1.3  # from here on every second pixel would be skipped: twice as many are read, and averaged
GROUP = 8
"""Pictures that share one draw of the photometric transforms: v2 draws once a call."""


@dataclass(frozen=True, slots=True)
class Look:
    """How far views go; shares are probabilities from 0 to 1."""

    area: Range = (0.3, 1.3)
    """Part of the picture's square that a view shows; above 1 it shows what lies around."""
    turn_share: float = 0.4
    turn: float = 0.4
    """Largest angle, in radians."""
    tilt_share: float = 0.3
    tilt: float = 0.25
    """Largest relative difference in size of opposite sides."""
    background_share: float = 0.5
    """Of packshots: how many stand before something else than white paper."""
    cover_share: float = 0.2
    """How many have a part covered by a piece of another picture."""


@dataclass(frozen=True, slots=True)
class Squares:
    """Pictures as packs keep them: (n, side, side, 4) uint8, and (n, 4) boxes of left, top, width, height."""

    pictures: Tensor
    boxes: Tensor
    packshots: bool


def views(squares: Squares, backdrops: Tensor, size: int, look: Look) -> Tensor:
    """One view of each picture, (n, 3, size, size) uint8, drawn by torch's generator.

    `backdrops` is (m, 3, size, size) uint8: what may stand behind packshots, or before a part of any picture.
    """
    shown = _seen(squares, size, look)
    colours, paper = shown[:, :3], shown[:, 3:]
    if squares.packshots:
        chosen = paper * _share(len(colours), look.background_share)
        colours = torch.lerp(colours, _behind(len(colours), backdrops, size), chosen)
    colours = _covered(colours, backdrops, look)
    pictures = colours.mul_(255).round_().clamp_(0, 255).to(torch.uint8)
    changed = _photometric()
    for some in torch.split(torch.randperm(len(pictures)), GROUP):  # in no order: pictures of a class stand together
        pictures[some] = changed(pictures[some])
    return pictures


def _seen(squares: Squares, size: int, look: Look) -> Tensor:
    """(n, 4, size, size) from 0 to 1: each square through its own projective window."""
    n, side = squares.pictures.shape[:2]
    left, top, width, height = squares.boxes.float().unbind(1)
    area, ratio = _uniform(n, *look.area), torch.exp(_uniform(n, -0.3, 0.3))
    # Packshots show paper beyond their edges, photos must not show what was never photographed.
    base = torch.maximum(width, height) if squares.packshots else (width * height).sqrt()
    wide, high = (area * ratio).sqrt() * base, (area / ratio).sqrt() * base
    if not squares.packshots:
        wide, high = torch.minimum(wide, width), torch.minimum(high, height)
    x = left + width / 2 + (width - wide).abs() / 2 * _uniform(n, -1, 1)
    y = top + height / 2 + (height - high).abs() / 2 * _uniform(n, -1, 1)
    angle = _uniform(n, -look.turn, look.turn) * _share(n, look.turn_share).flatten()
    flip = torch.where(torch.rand(n) < 0.5, 1.0, -1.0)
    u, v = _window(n, size * 2 if side > _SHRUNK * size else size, look)
    u, v = u * (wide * flip)[:, None, None], v * high[:, None, None]
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    across, down = x[:, None, None] + u * cos - v * sin, y[:, None, None] + u * sin + v * cos
    if not squares.packshots:
        across = torch.clamp(across, (left + 0.5)[:, None, None], (left + width - 0.5)[:, None, None])
        down = torch.clamp(down, (top + 0.5)[:, None, None], (top + height - 0.5)[:, None, None])
    grid = torch.stack([across / side * 2 - 1, down / side * 2 - 1], dim=-1)
    pixels = squares.pictures.permute(0, 3, 1, 2).float().div_(255)
    seen = nn.functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return nn.functional.avg_pool2d(seen, 2) if seen.shape[-1] > size else seen


def _window(n: int, size: int, look: Look) -> tuple[Tensor, Tensor]:
    """Coordinates from -0.5 to 0.5 of a tilted window's pixels, each (n, size, size)."""
    steps = (torch.arange(size) + 0.5) / size - 0.5
    u, v = steps.expand(n, size, size), steps[:, None].expand(n, size, size)
    tilted = _share(n, look.tilt_share).view(n, 1, 1)
    along, across = (_uniform(n, -look.tilt, look.tilt).view(n, 1, 1) * tilted for _ in range(2))
    depth = 1 + along * u + across * v
    return u / depth, v / depth


def _behind(n: int, backdrops: Tensor, size: int) -> Tensor:
    """Half of them pictures, half plain walls with a gradient of light: (n, 3, size, size) from 0 to 1."""
    walls = torch.rand(n, 3, 1, 1) * 0.75 + 0.25
    ramp = torch.linspace(-0.5, 0.5, size)
    light = ramp[:, None] * _uniform(n, -0.3, 0.3).view(n, 1, 1, 1) + ramp * _uniform(n, -0.3, 0.3).view(n, 1, 1, 1)
    coarse = torch.randn(n, 3, 6, 6) * _uniform(n, 0, 0.2).view(n, 1, 1, 1)
    plain = (walls + light + nn.functional.interpolate(coarse, (size, size), mode="bilinear")).clamp_(0, 1)
    if not len(backdrops):
        return plain
    pictures = backdrops[torch.randint(len(backdrops), (n,))].float().div_(255)
    return torch.where(_share(n, 0.5).bool(), pictures, plain)


def _covered(pictures: Tensor, backdrops: Tensor, look: Look) -> Tensor:
    n, size = len(pictures), pictures.shape[-1]
    steps = torch.arange(size)
    inside = []
    for _ in range(2):
        extent = _uniform(n, 0.15, 0.45) * size
        start = torch.rand(n) * (size - extent)
        inside.append((steps >= start[:, None]) & (steps < (start + extent)[:, None]))
    hidden = inside[0][:, None, :, None] & inside[1][:, None, None, :] & _share(n, look.cover_share).bool()
    return torch.where(hidden, _behind(n, backdrops, size), pictures)


def _photometric() -> nn.Module:
    """Light, colour, blur, noise and JPEG, drawn once a call."""
    changes: nn.Module = v2.Compose(
        [
            v2.ColorJitter(brightness=0.35, contrast=0.35, saturation=0.3),
            v2.RandomGrayscale(0.03),
            v2.RandomApply([v2.GaussianBlur(13, (0.3, 3.0))], 0.2),
            v2.RandomApply([_Jpeg()], 0.25),
            v2.RandomApply([_Noise()], 0.15),
        ]
    )
    return changes


class _Jpeg(nn.Module):
    def forward(self, pictures: Tensor) -> Tensor:
        quality = int(torch.randint(15, 81, ()))
        # The operators themselves: torchvision.io's functions warn on each call, and so does v2.JPEG.
        written = (torch.ops.image.encode_jpeg(picture.contiguous(), quality) for picture in pictures)
        return torch.stack([torch.ops.image.decode_jpeg(data, _RGB) for data in written])


class _Noise(nn.Module):
    def forward(self, pictures: Tensor) -> Tensor:
        noise = torch.randn(pictures.shape) * float(torch.rand(()) * 40)
        return (pictures + noise).round_().clamp_(0, 255).to(torch.uint8)


def _uniform(n: int, low: float, high: float) -> Tensor:
    return torch.empty(n).uniform_(low, high)


def _share(n: int, share: float) -> Tensor:
    """(n, 1, 1, 1) of ones and zeros, ones in about that share."""
    return (torch.rand(n, 1, 1, 1) < share).float()
