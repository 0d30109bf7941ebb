"""What a finished run of the recommendations tells: the figures of report.json, and the page for people."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vitrine import report as pages
from vitrine.cooccurrence.examples import Example
from vitrine.report import Page, TopList
from vitrine.storage import Directory


@dataclass(frozen=True, slots=True)
class Report:
    """report.json: the documented, stable keys of a finished run.

    Seconds, memory and collections differ when it runs again.
    """

    run: str
    as_of: str
    events_read: int
    events_used: int
    events_refused: Mapping[str, int]  # by reason; read = used + refused
    fitted: Mapping[str, object]  # settings that were fitted to the events; empty without tune
    sessions: int
    products: int
    pairs: int  # of two different products, in no order
    sessions_capped: int  # with more events than session_events
    events_capped: int  # the oldest events of those sessions, which made no pairs
    related_items: Mapping[str, int]  # rows by measure
    user_items: int
    tastes: int
    collections: Sequence[str]  # that serve now
    seconds: Mapping[str, float]
    peak_memory_bytes: int  # of the driver's Python process

    def values(self) -> dict[str, object]:
        """As a JSON object."""
        return asdict(self)

    def line(self) -> str:
        """The account as a log line."""
        refused = sum(self.events_refused.values())
        counts = f"events={self.events_read} used={self.events_used} refused={refused} sessions={self.sessions}"
        return f"done {counts} products={self.products} pairs={self.pairs}"


def top_lists(found: Sequence[Example]) -> tuple[TopList, ...]:
    """Lists as a page shows them."""
    return tuple(
        TopList(one.title, f"in {one.support:,} sessions", tuple((title, f"in {n:,}") for title, n in one.related))
        for one in found
    )


def page(report: Report, top_lists: tuple[TopList, ...]) -> Page:
    """The report as a page for people."""
    served = ", ".join(report.collections)
    facts = {
        "as of": report.as_of,
        "sessions": f"{report.sessions:,}",
        "products": f"{report.products:,}",
        "pairs of products": f"{report.pairs:,}",
        "sessions above the cap": f"{report.sessions_capped:,}, {report.events_capped:,} events beyond it",
        "measures": ", ".join(f"{name} ({rows:,} rows)" for name, rows in report.related_items.items()),
        "users' lists": f"{report.user_items:,} rows",
        "tastes": f"{report.tastes:,}",
        "fitted": ", ".join(f"{name} {value}" for name, value in report.fitted.items()) or "nothing",
        "served by": served or "not loaded",
        "peak memory": f"{report.peak_memory_bytes / 1e6:,.0f} MB (driver, without the JVM)",
    }
    return Page(
        title=f"Recommendations {report.run}",
        summary=f"{report.events_used:,} of {report.events_read:,} events in {report.sessions:,} sessions: "
        f"what goes with {report.products:,} products.",
        facts=facts,
        counts={"used": report.events_used, **report.events_refused},
        stage_seconds=report.seconds,
        top_lists=top_lists,
    )


def write(place: Directory, page: Page, report: Report) -> str:
    """Write report.html and then report.json, which replace older ones, and return the path of the former."""
    with tempfile.TemporaryDirectory() as aside:
        pages.write(Path(aside), page, report.values())
        for name in ("report.html", "report.json"):
            place.write(name, (Path(aside) / name).read_bytes())
    return place.path("report.html")
