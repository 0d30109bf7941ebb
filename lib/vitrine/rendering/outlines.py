"""Outlines of drawn things: closed polygons in a unit square, x to the right, y down."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Point = tuple[float, float]
Outline = tuple[Point, ...]
Paint = Literal["body", "trim", "dark", "light", "background"]


@dataclass(frozen=True, slots=True)
class Part:
    """A painted outline; `body` carries the pattern, `trim` the second colour."""

    paint: Paint
    outline: Outline


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of thing that a shop sells; later parts cover earlier ones."""

    name: str
    chinese: str
    category: str
    parts: tuple[Part, ...]


def body(*points: Point) -> Part:
    """A part that carries the pattern."""
    return Part("body", points)


def trim(*points: Point) -> Part:
    """A part in the second colour."""
    return Part("trim", points)


def dark(*points: Point) -> Part:
    """A part in a darker shade of the first colour."""
    return Part("dark", points)


def light(*points: Point) -> Part:
    """A part that is nearly white."""
    return Part("light", points)


def gap(*points: Point) -> Part:
    """A hole through which the background is seen."""
    return Part("background", points)


def mirrored(*right: Point) -> Outline:
    """A symmetric outline from its right half, listed from top to bottom."""
    left = tuple((1.0 - x, y) for x, y in reversed(right))
    return right + left


def box(top_left: Point, bottom_right: Point) -> Outline:
    """A rectangle."""
    (left, top), (right, bottom) = top_left, bottom_right
    return (top_left, (right, top), bottom_right, (left, bottom))


def ellipse(centre: Point, extent: Point) -> Outline:
    """An ellipse around `centre`, as wide and high as `extent`."""
    return _along(centre, extent, [9 * step for step in range(40)])


def smooth(points: Sequence[Point], *, steps: int = 6) -> Outline:
    """A closed Catmull-Rom curve through `points`."""
    count = len(points)
    curve: list[Point] = []
    for i in range(count):
        corners = [points[(i + offset) % count] for offset in (-1, 0, 1, 2)]
        curve += [_between(corners, step / steps) for step in range(steps)]
    return tuple(curve)


def _between(corners: Sequence[Point], t: float) -> Point:
    weights = (
        0.5 * (-t + 2 * t**2 - t**3),
        0.5 * (2 - 5 * t**2 + 3 * t**3),
        0.5 * (t + 4 * t**2 - 3 * t**3),
        0.5 * (t**3 - t**2),
    )
    pairs = list(zip(weights, corners, strict=True))
    return sum(weight * x for weight, (x, _) in pairs), sum(weight * y for weight, (_, y) in pairs)


def line(*points: Point, width: float) -> Outline:
    """A line through `points`, `width` thick."""
    sides = [_offset(points[max(i - 1, 0)], points[min(i + 1, len(points) - 1)], width / 2) for i in range(len(points))]
    one = [(x + dx, y + dy) for (x, y), (dx, dy) in zip(points, sides, strict=True)]
    other = [(x - dx, y - dy) for (x, y), (dx, dy) in zip(points, sides, strict=True)]
    return (*one, *reversed(other))


def arc(centre: Point, extent: Point, *, start: float, end: float, width: float) -> Outline:
    """A piece of an ellipse's line, `width` thick, from `start` to `end` degrees (0 = right, 90 = down)."""
    return line(*_along(centre, extent, [start + (end - start) * step / 20 for step in range(21)]), width=width)


def _along(centre: Point, extent: Point, degrees: Sequence[float]) -> Outline:
    (x, y), (width, height) = centre, extent
    angles = [math.radians(angle) for angle in degrees]
    return tuple((x + width / 2 * math.cos(angle), y + height / 2 * math.sin(angle)) for angle in angles)


def _offset(before: Point, after: Point, distance: float) -> Point:
    dx, dy = after[0] - before[0], after[1] - before[1]
    length = math.hypot(dx, dy)
    return -dy / length * distance, dx / length * distance
