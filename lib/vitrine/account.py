"""The account of a reindex: every row of the catalogue ends as one thing, and the figures that say so."""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vitrine import gallery, samples
from vitrine import report as pages
from vitrine.catalog import Plan
from vitrine.errors import GateFailed
from vitrine.gallery import Answer, share_of_same_category
from vitrine.index.collections import Collection
from vitrine.manifest import Manifest
from vitrine.report import Neighbours, Page, Tile
from vitrine.run import EXPORTED, Run, outcomes
from vitrine.settings import Pictures
from vitrine.storage import Directory
from vitrine.telemetry import Stages, peak_memory_bytes

_SHOWN_QUERIES = 12
_SHOWN_REJECTS = 48


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the catalogue's rows: rows = embedded + reused + rejected + duplicates.

    A row is a picture; a product without any counts as one.
    """

    rows: int
    embedded: int
    reused: int
    rejected: int
    duplicates: int
    rejected_by_reason: Mapping[str, int]
    forward_passes: int
    cut_texts: int

    @property
    def loaded(self) -> int:
        """Rows of the new collection."""
        return self.embedded + self.reused


def settle(run: Run, done: Sequence[Manifest], catalog_rows: int, *, max_reject_ratio: float) -> Account:
    """Add the units up and check the sum.

    Raises:
        GateFailed: `account` if a row of the catalogue is unaccounted for, `rejects` if too many were rejected.
    """
    reasons: Counter[str] = Counter()
    for table in outcomes(run, [one for one in done if one.rejected], ["outcome", "reason"]):
        reasons.update(row["reason"] for row in table.to_pylist() if row["outcome"] == "rejected")

    worst = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))

    def total(name: str) -> int:
        return sum(getattr(manifest, name) for manifest in done)

    account = Account(
        rows=total("rows"),
        embedded=total("embedded"),
        reused=total("reused"),
        rejected=total("rejected"),
        duplicates=total("duplicates"),
        rejected_by_reason=dict(worst),
        forward_passes=total("forward_passes"),
        cut_texts=total("cut_texts"),
    )
    parts = account.embedded + account.reused + account.rejected + account.duplicates
    if parts != account.rows or total("catalog_rows") != catalog_rows or reasons.total() != account.rejected:
        raise GateFailed(
            "account",
            f"{parts} of {account.rows} pictures accounted for, "
            f"{total('catalog_rows')} of {catalog_rows} rows of the catalogue read",
        )
    if account.rejected > max_reject_ratio * account.rows:
        causes = ", ".join(f"{reason} {count}" for reason, count in worst[:3])
        raise GateFailed(
            "rejects",
            f"{account.rejected} of {account.rows} rows were rejected ({causes}), more than "
            f"max_reject_ratio {max_reject_ratio} allows: mend the catalogue or raise --max-reject-ratio",
        )
    return account


@dataclass(frozen=True, slots=True)
class Report:
    """report.json: the documented, stable keys of a finished run."""

    run: str
    model_id: str
    rows: int
    embedded: int
    reused: int
    rejected: int
    rejected_by_reason: Mapping[str, int]
    duplicates: int
    cut_texts: int
    forward_passes: int
    engines: int  # Python processes that built a network
    collection: str
    alias: str
    previous: str | None
    retired: Sequence[str]
    recall_at_10: float | None  # None where the gate was skipped
    same_category: Mapping[str, float] | None  # share of the 8 nearest, and by chance
    seconds: Mapping[str, float]
    images_per_second: Mapping[str, float]
    read_by: str  # "pyarrow", or "spark" where Spark had to write a table as Parquet first
    picture_bytes: int
    peak_memory_bytes: Mapping[str, int]

    def values(self) -> dict[str, object]:
        """As a JSON object."""
        return asdict(self)

    def line(self) -> str:
        """The account as a log line."""
        names = ("rows", "embedded", "reused", "rejected", "duplicates", "collection")
        return " ".join(["done", *(f"{name}={getattr(self, name)}" for name in names)])


def report(
    run: Run,
    made: Collection,
    plan: Plan,
    done: Sequence[Manifest],
    counts: Account,
    *,
    stages: Stages,
    found: Sequence[Answer],
    recall: float | None,
    retired: Sequence[str],
) -> Report:
    """The report of a run that has swapped the alias."""
    seconds = {name: round(value, 3) for name, value in stages.seconds().items()}
    same = share_of_same_category(found)
    pictures = {"embed": counts.rows - counts.duplicates, "load": counts.loaded, "index": counts.loaded}
    return Report(
        run=run.name,
        model_id=run.model_id,
        rows=counts.rows,
        embedded=counts.embedded,
        reused=counts.reused,
        rejected=counts.rejected,
        rejected_by_reason=counts.rejected_by_reason,
        duplicates=counts.duplicates,
        cut_texts=counts.cut_texts,
        forward_passes=counts.forward_passes,
        engines=len({one.process for one in done if one.forward_passes}),
        collection=made.name,
        alias=run.alias,
        previous=made.facts.previous or None,
        retired=retired,
        recall_at_10=recall,
        same_category=None if same is None else {"neighbours": round(same[0], 4), "by_chance": round(same[1], 4)},
        seconds=seconds,
        images_per_second={name: round(n / seconds[name], 1) for name, n in pictures.items() if seconds.get(name)},
        read_by="spark" if any(run.place.path(EXPORTED) in unit.file for unit in plan.units) else "pyarrow",
        picture_bytes=sum(one.size_bytes for one in done),
        peak_memory_bytes={
            "driver": peak_memory_bytes(),
            "worker": max((one.peak_memory_bytes for one in done), default=0),
        },
    )


def shown(
    report: Report,
    run: Run,
    plan: Plan,
    done: Sequence[Manifest],
    found: Sequence[Answer],
    *,
    limits: Pictures,
    notice: str,
) -> Page:
    """`page`, with rejects and queries drawn at random and their pictures read again from the catalogue."""
    rejected = samples.draw(run, done, "rejected", _SHOWN_REJECTS)
    queries = found[:_SHOWN_QUERIES]
    wanted = [*rejected, *samples.locate(run, done, gallery.pictures_of(queries))]
    pictures = samples.read_pictures(plan, wanted, limits)
    return page(
        report,
        notice=notice,
        rejects=gallery.rejects(rejected, pictures, limits),
        neighbours=gallery.gallery(queries, pictures, limits),
    )


def page(report: Report, *, notice: str, rejects: tuple[Tile, ...], neighbours: tuple[Neighbours, ...]) -> Page:
    """The report as a page for people; `notice` is what they must know of the weights."""
    names = ("embedded", "reused", "rejected", "duplicates")
    facts = {
        "collection": report.collection,
        "alias": report.alias,
        "previous collection": report.previous or "none",
        "model": report.model_id,
        "recall@10": "gate skipped" if report.recall_at_10 is None else f"{report.recall_at_10:.3f}",
        "forward passes": f"{report.forward_passes:,} in {report.engines} processes",
        "pictures read": f"{report.picture_bytes / 1e6:,.1f} MB by {report.read_by}",
        "images per second": ", ".join(f"{stage} {rate:,.0f}" for stage, rate in report.images_per_second.items()),
        "peak memory": ", ".join(f"{who} {size / 1e6:,.0f} MB" for who, size in report.peak_memory_bytes.items()),
    }
    if report.same_category:
        share, chance = report.same_category["neighbours"], report.same_category["by_chance"]
        facts["nearest 8 of the same category"] = f"{share:.1%} (random order: {chance:.1%})"
    return Page(
        title=f"Reindex {report.run}",
        summary=f"{report.rows:,} pictures accounted for; {report.alias} now serves {report.collection}.",
        facts=facts,
        counts={name: getattr(report, name) for name in names},
        stage_seconds=report.seconds,
        rejects=rejects,
        rejects_by_reason=report.rejected_by_reason,
        gallery=neighbours,
        notes=(notice,) if notice else (),
    )


def write(place: Directory, page: Page, report: Report) -> str:
    """Write report.json and report.html, which replace older ones, and return the path of the latter."""
    with tempfile.TemporaryDirectory() as aside:
        pages.write(Path(aside), page, report.values())
        for name in ("report.json", "report.html"):
            place.write(name, (Path(aside) / name).read_bytes())
    return place.path("report.html")
