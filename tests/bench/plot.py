"""A plot of probabilities against shares, as SVG."""

from collections.abc import Sequence

from vitrine.quality import Bin

SIDE, MARGIN, LARGEST = 320, 56, 9.0


def reliability_plot(bins: Sequence[Bin], title: str) -> str:
    """Each bin as a dot, as large as its size, at the probability that was said and the share that was right."""
    most = max(one.n for one in bins)
    marks = "".join(_dot(one, LARGEST * (one.n / most) ** 0.5) for one in bins)
    ticks = "".join(_tick(value / 10) for value in range(0, 11, 2))
    size = SIDE + 2 * MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" width="{size}" height="{size}" '
        'font-family="sans-serif" font-size="12" fill="#555">'
        f'<rect width="{size}" height="{size}" fill="#fff"/>'
        f'<text x="{size / 2}" y="28" text-anchor="middle" font-size="14" fill="#222">{title}</text>'
        f'<path d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}" stroke="#999" stroke-dasharray="4 4"/>'
        f'<path d="M{_x(0)} {_y(1)}V{_y(0)}H{_x(1)}" stroke="#999" fill="none"/>'
        f"{ticks}{marks}"
        f'<text x="{size / 2}" y="{size - 14}" text-anchor="middle">probability that the guess says</text>'
        f'<text transform="translate(16 {size / 2}) rotate(-90)" text-anchor="middle">share that was right</text>'
        "</svg>\n"
    )


def _x(value: float) -> float:
    return round(MARGIN + value * SIDE, 1)


def _y(value: float) -> float:
    return round(MARGIN + (1 - value) * SIDE, 1)


def _dot(one: Bin, radius: float) -> str:
    said = f"said {one.p:.3f}, right {one.right:.3f}, {one.n} pictures"
    circle = f'<circle cx="{_x(one.p)}" cy="{_y(one.right)}" r="{radius:.1f}" fill="#2f6f5e" fill-opacity=".75">'
    return f"{circle}<title>{said}</title></circle>"


def _tick(value: float) -> str:
    below = f'<text x="{_x(value)}" y="{_y(0) + 18}" text-anchor="middle">{value:g}</text>'
    return f'{below}<text x="{_x(0) - 8}" y="{_y(value) + 4}" text-anchor="end">{value:g}</text>'
