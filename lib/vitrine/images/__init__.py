"""Pictures as hostile input: what they may be, opened upright, and made small."""

from vitrine.images.header import Header
from vitrine.images.inspection import inspect
from vitrine.images.opening import SIZE, open_part, open_upright, outlived, pixels, thumbnail

__all__ = ["SIZE", "Header", "inspect", "open_part", "open_upright", "outlived", "pixels", "thumbnail"]
