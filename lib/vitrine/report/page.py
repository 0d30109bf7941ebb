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
class TopList:
    """What goes with something, best first: each with a figure beside it."""

    title: str
    note: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Contestant:
    """What is compared, with its figures by name; `intervals` say how sure some of them are."""

    name: str
    figures: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Contest:
    """Contestants by the same figures, in the order in which they are shown.

    `plotted` names the figures that are drawn, `marked` the contestant that stands out; `least` says that the least
    figure of a column is the best.
    """

    title: str
    contestants: tuple[Contestant, ...]
    plotted: tuple[str, ...]
    marked: str = ""
    aside: str = ""
    least: bool = False


@dataclass(frozen=True, slots=True)
class Curves:
    """Lines in one frame, by name: points (x, y), x ascending and none below zero; `x` is what x counts."""

    title: str
    x: str
    lines: Mapping[str, tuple[tuple[float, float], ...]]


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
    gallery_title: str = "Neighbours"
    top_lists: tuple[TopList, ...] = ()
    contests: tuple[Contest, ...] = ()
    curves: tuple[Curves, ...] = ()
    notes: tuple[str, ...] = ()
