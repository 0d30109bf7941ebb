"""Drawn products: pictures with known answers, for the demo, the precision check and tests."""

from vitrine.rendering.demo import DemoCatalog, write_demo_catalog
from vitrine.rendering.looks import Look, look
from vitrine.rendering.painting import draw, gif, jpeg, png, sample_pictures, webp

__all__ = [
    "DemoCatalog",
    "Look",
    "draw",
    "gif",
    "jpeg",
    "look",
    "png",
    "sample_pictures",
    "webp",
    "write_demo_catalog",
]
