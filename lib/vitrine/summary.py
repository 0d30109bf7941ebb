"""What a finished run tells: the figures of report.json, and the page for people."""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vitrine import gallery, samples
from vitrine import report as pages
from vitrine.account import Account
from vitrine.catalog import Plan
from vitrine.errors import BadInput
from vitrine.gallery import Answer, share_of_same_category
from vitrine.index.collections import Collection
from vitrine.index.store import connect
from vitrine.manifest import Manifest
from vitrine.report import Neighbours, Page, Tile
from vitrine.run import EXPORTED, Run, report_of
from vitrine.settings import Milvus, Pictures
from vitrine.storage import Directory
from vitrine.telemetry import peak_memory_bytes

logger = logging.getLogger(__name__)

_SHOWN_QUERIES = 12
_SHOWN_REJECTS = 48


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
    embedded_on: Sequence[str]  # precision and device of those networks
    collection: str
    alias: str
    previous: str | None
    retired: Sequence[str]
    load: str  # "insert" or "import", and why
    recall_at_10: float | None  # None where the gate was skipped
    same_category: Mapping[str, float] | None  # share of the 8 nearest, and by chance
    seconds: Mapping[str, float]
    images_per_second: Mapping[str, float]
    read_by: str  # "pyarrow", or "spark" where Spark had to write a table as Parquet first
    picture_bytes: int
    peak_memory_bytes: Mapping[str, int]
    thumbnails: int = 0  # made by this run
    calibration: Mapping[str, object] | None = None  # what the collection says of its cosines

    def values(self) -> dict[str, object]:
        """As a JSON object."""
        return asdict(self)

    def line(self) -> str:
        """The account as a log line."""
        names = ("rows", "embedded", "reused", "rejected", "duplicates", "collection")
        return " ".join(["done", *(f"{name}={getattr(self, name)}" for name in names)])


def finished_before(run: Run, milvus: Milvus) -> Report | None:
    """The report of a run that is finished, unless what it made is gone: then it is to be loaded again.

    Raises:
        BadInput: the alias serves something else by now.
    """
    if (values := report_of(run)) is None:
        return None
    earlier = Report(**values)
    with connect(milvus) as store:
        if earlier.collection not in store.collections():
            return None
        served = store.resolve(earlier.alias)
    if served != earlier.collection:
        raise BadInput(f"run {run.name} is finished, but {earlier.alias} serves {served}: give another --run")
    logger.warning("run %s is finished and made %s: give another --run", run.name, earlier.collection)
    return earlier


def report(
    run: Run,
    made: Collection,
    plan: Plan,
    done: Sequence[Manifest],
    counts: Account,
    *,
    seconds: Mapping[str, float],
    found: Sequence[Answer],
    recall: float | None,
    retired: Sequence[str],
    load: str,
) -> Report:
    """The report of a run that has swapped the alias."""
    rounded = {name: round(value, 3) for name, value in seconds.items()}
    same = share_of_same_category(found)
    pictures = {"embed": counts.rows - counts.duplicates, "load": counts.loaded, "index": counts.loaded}
    return Report(
        run=run.name,
        model_id=run.model_id,
        **asdict(counts),
        engines=len({one.process for one in done if one.forward_passes}),
        embedded_on=sorted({one.runs_on for one in done if one.forward_passes}),
        collection=made.name,
        alias=run.alias,
        previous=made.facts.previous or None,
        retired=retired,
        load=load,
        recall_at_10=recall,
        same_category=None if same is None else {"neighbours": round(same[0], 4), "by_chance": round(same[1], 4)},
        seconds=rounded,
        images_per_second={name: round(n / rounded[name], 1) for name, n in pictures.items() if rounded.get(name)},
        read_by="spark" if any(run.place.path(EXPORTED) in file for file in plan.files) else "pyarrow",
        picture_bytes=sum(one.size_bytes for one in done),
        peak_memory_bytes={
            "driver": peak_memory_bytes(),
            "worker": max((one.peak_memory_bytes for one in done), default=0),
        },
        calibration=asdict(made.facts.calibration) if made.facts.calibration else None,
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
        "loaded by": report.load,
        "recall@10": "gate skipped" if report.recall_at_10 is None else f"{report.recall_at_10:.3f}",
        "forward passes": f"{report.forward_passes:,} in {report.engines} processes",
        "embedded on": ", ".join(report.embedded_on) or "nothing: no picture was new",
        "pictures read": f"{report.picture_bytes / 1e6:,.1f} MB by {report.read_by}",
        "images per second": ", ".join(f"{stage} {rate:,.0f}" for stage, rate in report.images_per_second.items()),
        "peak memory": ", ".join(f"{who} {size / 1e6:,.0f} MB" for who, size in report.peak_memory_bytes.items()),
    }
    if report.thumbnails:
        facts["thumbnails"] = f"{report.thumbnails:,} made"
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
