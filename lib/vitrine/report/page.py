"""What a report page shows, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture with what is said of it.

    `picture` is a JPEG, PNG, WebP or GIF file; None, or anything else, is shown as a drawn placeholder.
    """

    picture: bytes | None
    caption: str
    note: str = ""
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Neighbours:
    """A query and what was found for it, best first."""

    query: Tile
    found: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A report page; what is empty is left out, and no text needs escaping.

    `counts` are parts of one whole, drawn as a bar in their order; `stage_seconds` are drawn in theirs.
    """

    title: str
    summary: str
    facts: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    rejects: tuple[Tile, ...] = ()
    rejects_by_reason: Mapping[str, int] = field(default_factory=dict)
    gallery: tuple[Neighbours, ...] = ()
    notes: tuple[str, ...] = ()
