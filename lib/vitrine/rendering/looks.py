"""Looks: which shape, colours and pattern a drawn product has."""

from dataclasses import dataclass

from vitrine.rendering.accessories import CARRIED
from vitrine.rendering.clothes import BOTTOMS, TOPS
from vitrine.rendering.footwear import HEADWEAR, SHOES
from vitrine.rendering.household import FURNITURE, TABLEWARE
from vitrine.rendering.outlines import Shape
from vitrine.rendering.patterns import PATTERNS

SHAPES: tuple[Shape, ...] = (*TOPS, *BOTTOMS, *SHOES, *HEADWEAR, *CARRIED, *TABLEWARE, *FURNITURE)

STRIDE = 14 * 47 + 1  # moves pattern, colour and accent at every step; has no factor in common with their number


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour with its names."""

    name: str
    chinese: str
    rgb: tuple[int, int, int]


COLOURS: tuple[Colour, ...] = (
    Colour("black", "黑色", (36, 38, 44)),
    Colour("red", "红色", (200, 34, 48)),
    Colour("blue", "蓝色", (42, 111, 219)),
    Colour("white", "白色", (241, 239, 233)),
    Colour("green", "绿色", (46, 139, 87)),
    Colour("yellow", "黄色", (242, 196, 48)),
    Colour("navy", "藏青色", (28, 43, 96)),
    Colour("pink", "粉色", (238, 140, 178)),
    Colour("brown", "棕色", (122, 74, 43)),
    Colour("turquoise", "青绿色", (38, 184, 184)),
    Colour("grey", "灰色", (141, 146, 153)),
    Colour("orange", "橙色", (238, 120, 30)),
    Colour("purple", "紫色", (123, 63, 160)),
    Colour("beige", "米色", (217, 195, 160)),
)


@dataclass(frozen=True, slots=True)
class Look:
    """One product's appearance; `accent` is the colour of its pattern and trim."""

    shape: Shape
    colour: Colour
    accent: Colour
    pattern: str


def look(number: int) -> Look:
    """The look of product `number`, counted from 0; neighbouring numbers differ in everything.

    The first 70,000 are distinct.
    """
    patterns = tuple(PATTERNS)
    kinds = len(patterns) * len(COLOURS) * (len(COLOURS) - 1)
    turn, shape = divmod(number, len(SHAPES))
    rest, pattern = divmod((turn * STRIDE + shape * 37) % kinds, len(patterns))
    other, colour = divmod(rest, len(COLOURS))
    accent = (colour + 1 + other) % len(COLOURS)
    return Look(SHAPES[shape], COLOURS[colour], COLOURS[accent], patterns[pattern])
