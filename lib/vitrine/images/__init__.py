"""Pictures as hostile input: what they may be, opened upright, and made small."""

from vitrine.images.header import Header
from vitrine.images.inspection import inspect
from vitrine.images.opening import open_part, open_upright, outlived, thumbnail

__all__ = ["Header", "inspect", "open_part", "open_upright", "outlived", "thumbnail"]
