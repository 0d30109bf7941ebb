"""Patterns: where on a product its second colour shows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern's Chinese name and its rule: where, by x and y on the product from 0 to 1, the second colour shows."""

    chinese: str
    mask: Callable[[Plane, Plane], Mask]


def _beat(place: Plane, times: float) -> Plane:
    """Place within a period, from 0 to 1, of `times` periods over the product."""
    turns: Plane = place * np.float32(times)
    return turns - np.floor(turns)


def _dots(x: Plane, y: Plane, *, times: float, radius: float) -> Mask:
    return (_beat(x, times) - 0.5) ** 2 + (_beat(y, times) - 0.5) ** 2 < radius**2


PATTERNS: Mapping[str, Pattern] = MappingProxyType(
    {
        "plain": Pattern("纯色", lambda x, y: np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=np.bool_)),
        "striped": Pattern("横条纹", lambda x, y: _beat(y, 7) < 0.5),
        "pinstriped": Pattern("竖条纹", lambda x, y: _beat(x, 15) < 0.28),
        "diagonal": Pattern("斜条纹", lambda x, y: _beat(x + y, 6) < 0.45),
        "checked": Pattern("方格", lambda x, y: (_beat(x, 5) < 0.5) ^ (_beat(y, 5) < 0.5)),
        "windowpane": Pattern("细格", lambda x, y: (_beat(x, 8) < 0.16) | (_beat(y, 8) < 0.16)),
        "dotted": Pattern("波点", lambda x, y: _dots(x, y, times=10, radius=0.27)),
        "spotted": Pattern("大圆点", lambda x, y: _dots(x, y, times=4.5, radius=0.34)),
        "zigzag": Pattern("锯齿纹", lambda x, y: _beat(y + np.abs(_beat(x, 6) - 0.5) * 0.16, 8) < 0.45),
        "wavy": Pattern("波浪纹", lambda x, y: _beat(y + 0.035 * np.sin(x * 22), 6) < 0.42),
        "diamond": Pattern("菱形纹", lambda x, y: np.abs(_beat(x, 5) - 0.5) + np.abs(_beat(y, 4) - 0.5) < 0.36),
        "banded": Pattern("宽条", lambda x, y: np.abs(y - 0.55) < 0.085),
        "two-tone": Pattern("拼色", lambda x, y: x < 0.5),
        "ringed": Pattern("同心圆", lambda x, y: _beat(np.hypot(x - 0.5, y - 0.5), 9) < 0.45),
    }
)
