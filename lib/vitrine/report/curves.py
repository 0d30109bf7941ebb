"""Figures over the course of a program, as lines."""

import math

from vitrine.report.markup import element, text, words
from vitrine.report.page import Curves

WIDTH, HEIGHT = 1_000, 240
LEFT, RIGHT, BOTTOM = 46, 240, 24
TINTS = 6
LINES = 4
"""Lines of the grid above zero."""
LABEL_HEIGHT = 16


def plot(curves: Curves) -> str:
    """The lines in one frame from zero to above their highest value, each with its name at its end."""
    points = [point for line in curves.lines.values() for point in line]
    if not points:
        return ""
    last, top = max(x for x, _ in points) or 1.0, round_above(max(y for _, y in points))

    def place(point: tuple[float, float]) -> tuple[float, float]:
        return LEFT + (WIDTH - LEFT - RIGHT) * point[0] / last, (HEIGHT - BOTTOM) * (1 - max(0.0, point[1]) / top) + 6

    drawn = [_line(i, [place(point) for point in line]) for i, line in enumerate(curves.lines.values()) if line]
    ends = {name: place(line[-1])[1] for name, line in curves.lines.items() if line}
    body = [*_grid(top, last, curves.x), *drawn, *_names(curves, ends)]
    shown = element(
        "svg", *body, class_="curves", viewBox=f"0 0 {WIDTH} {HEIGHT + 12}", role="img", aria_label=curves.title
    )
    return element("figure", element("figcaption", words(curves.title)), shown, class_="plot")


def round_above(value: float) -> float:
    """The least of ..., 0.8, 1, 2, 4, 8, 10, ... that is not below `value`, whose quarters read well; 1 for zero."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 8, 10, 20) if step * power >= value)


def _grid(top: float, last: float, x: str) -> list[str]:
    rows = []
    for i in range(LINES + 1):
        y = (HEIGHT - BOTTOM) * (1 - i / LINES) + 6
        rows.append(element("line", class_="grid", x1=str(LEFT), x2=str(WIDTH - RIGHT), y1=f"{y:.1f}", y2=f"{y:.1f}"))
        rows.append(element("text", f"{top * i / LINES:.3g}", class_="value", x=str(LEFT - 8), y=f"{y + 4:.1f}"))
    rows.append(element("text", f"{last:,.0f} {text(x)}", class_="value", x=str(WIDTH - RIGHT), y=str(HEIGHT + 8)))
    return rows


def _line(i: int, points: list[tuple[float, float]]) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return element("polyline", class_=f"line{i % TINTS}", points=path)


def _names(curves: Curves, ends: dict[str, float]) -> list[str]:
    """The names at the ends of the lines, moved down where they would lie on each other."""
    tints = {name: i % TINTS for i, name in enumerate(curves.lines)}
    shown, free = [], 0.0
    for name, y in sorted(ends.items(), key=lambda one: one[1]):
        free = max(free + LABEL_HEIGHT, y + 4)
        value = f"{text(name)} {curves.lines[name][-1][1]:.3f}"
        shown.append(element("text", value, class_=f"name{tints[name]}", x=str(WIDTH - RIGHT + 10), y=f"{free:.1f}"))
    return shown
