"""The state of one reindex in the work directory: what it is about, how far it came, and what its units made."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vitrine import catalog, lock
from vitrine.errors import BadInput
from vitrine.journal import Journal
from vitrine.manifest import OUTCOME_SCHEMA, Manifest
from vitrine.settings import Settings
from vitrine.storage import Directory, directory, require_writable

EXPORTED = "exported"
"""Where tables that Spark alone can read are written as Parquet."""

_STATE = "run.json"
_REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class Run:
    """A named run; running it again under the same name continues it.

    `as_of_us` is the moment the catalogue shows, `started_us` the moment of the first start, both in microseconds
    since 1970; `pictures` are the limits and prefixes of pictures, as JSON; `import_uri` is where the database reads
    finished rows, empty if they are inserted.
    """

    name: str
    uri: str
    model_id: str
    alias: str
    as_of_us: int
    started_us: int
    import_uri: str = ""
    pictures: str = ""

    @property
    def place(self) -> Directory:
        """The run's directory."""
        return directory(self.uri)

    @property
    def rows_uri(self) -> str:
        """The directory of finished rows: the run's own unless they are imported."""
        return self.import_uri or self.uri

    @property
    def rows_place(self) -> Directory:
        """The directory of finished rows."""
        return directory(self.rows_uri)

    @property
    def as_of(self) -> str:
        """The moment the catalogue shows, ISO 8601 in UTC."""
        return datetime.fromtimestamp(self.as_of_us / 1e6, UTC).isoformat()

    @property
    def journal(self) -> Journal:
        """What the run has begun so far."""
        return Journal(self.place)

    def file(self, name: str) -> str:
        """Path or URI of a file of the run, for other machines."""
        return f"{self.uri}/{name}"

    def rows_file(self, name: str) -> str:
        """Path or URI of a file of finished rows, for other machines."""
        return f"{self.rows_uri}/{name}"

    @property
    def log(self) -> Path | None:
        """Where Spark may write what it says; None where the run is not in a file system of this machine."""
        return None if "://" in self.uri else Path(self.uri, "spark.log")

    def save(self) -> None:
        """Write the state, complete or not at all."""
        self.place.write(_STATE, json.dumps(asdict(self), indent=2, sort_keys=True).encode())


@contextmanager
def opened(settings: Settings, model_id: str, *, now: datetime) -> Iterator[tuple[Run, Callable[[], None]]]:
    """`open_run` for a block, in which no other process works on this run or fills the same alias.

    With the run comes a check that this is so still; it raises Unavailable.

    Raises:
        Unavailable: another process does so now; of the alias, those with the same work directory are known.
        BadInput: as `open_run`.
    """
    locks = require_writable(anywhere(settings.work), "work").within("locks")
    alias = settings.milvus.alias
    database = hashlib.sha256(settings.milvus.uri.encode()).hexdigest()[:8]
    name = _name(settings, now)
    with (
        lock.held(locks, f"run-{name}", f"run {name}"),
        lock.held(locks, f"alias-{alias}-{database}", f"alias {alias}") as confirm,
    ):
        yield open_run(settings, model_id, now=now), confirm


def open_run(settings: Settings, model_id: str, *, now: datetime) -> Run:
    """Begin the run that the settings name, or continue it.

    Raises:
        BadInput: the work directory cannot be written, or the run was begun with another model, alias, as_of
            or other limits of pictures.
    """
    name = _name(settings, now)
    as_of = settings.as_of or now
    imported = settings.milvus.import_uri
    begun = Run(
        name=name,
        uri=anywhere(settings.under_work("runs", name)),
        model_id=model_id,
        alias=settings.milvus.alias,
        as_of_us=round(as_of.timestamp() * 1e6),
        started_us=round(now.timestamp() * 1e6),
        import_uri=f"{anywhere(imported).rstrip('/')}/{settings.milvus.alias}__{name}" if imported else "",
        pictures=settings.pictures.model_dump_json(),
    )
    place = require_writable(begun.uri, "work")
    if not place.exists(_STATE):
        begun.save()
        return begun
    known = _read_state(place)
    wanted = begun if settings.as_of else replace(begun, as_of_us=known.as_of_us)
    for what in ("model_id", "alias", "as_of_us", "import_uri", "pictures"):
        if getattr(known, what) != getattr(wanted, what):
            raise BadInput(
                f"run {name} was begun with {what} {getattr(known, what)}, not {getattr(wanted, what)}: "
                "give the same settings again or another --run"
            )
    return replace(known, uri=begun.uri)


def _name(settings: Settings, now: datetime) -> str:
    return settings.run or now.strftime("%Y%m%dt%H%M%S")


def anywhere(place: str) -> str:
    """The same path or URI, whatever the working directory of the process that uses it."""
    return place if "://" in place else str(Path(place).absolute())


def _read_state(place: Directory) -> Run:
    try:
        return Run(**json.loads(place.read(_STATE)))
    except (ValueError, TypeError) as error:
        raise BadInput(f"{place.path(_STATE)} is not of this version: give another --run") from error


def settled_plan(run: Run, plan: catalog.Plan) -> catalog.Plan:
    """The plan that the run goes by: the one it began with, else `plan`, which is written down for later.

    Raises:
        BadInput: the run was begun with another catalogue.
    """
    if not run.place.exists(catalog.PLAN):
        catalog.write_plan(plan, run.file(catalog.PLAN))
        return plan
    begun = catalog.read_plan(run.file(catalog.PLAN))
    if begun.fingerprint != plan.fingerprint:
        raise BadInput(f"the catalogue or its columns changed since run {run.name} began: give another --run")
    return begun


def finished_units(run: Run) -> set[str]:
    """Ids of the units that are done."""
    return {name.removeprefix("units/").removesuffix(".json") for name in run.place.names("units")}


def manifests(run: Run) -> list[Manifest]:
    """Manifests of all units that are done, by unit id.

    Raises:
        BadInput: one cannot be read; the text names it.
    """
    place = run.place
    return [_manifest(place, name) for name in place.names("units")]


def _manifest(place: Directory, name: str) -> Manifest:
    try:
        return Manifest(**json.loads(place.read(name)))
    except (ValueError, TypeError) as error:
        raise BadInput(f"{place.path(name)} is damaged: remove it, and the same --run does that unit again") from error


def outcomes(run: Run, done: Iterable[Manifest], columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """What became of each picture, a table a unit, in the order of `done`; units of duplicates only have none."""
    place = run.place
    for manifest in done:
        if manifest.outcomes_file:
            with place.filesystem.open_input_file(place.path(manifest.outcomes_file)) as stream:
                yield pq.read_table(stream, columns=list(columns or OUTCOME_SCHEMA.names))


def note_finished(run: Run, report: Mapping[str, object]) -> None:
    """Note that the run is finished, with its report."""
    run.place.write(_REPORT, json.dumps(report).encode())


def report_of(run: Run) -> dict[str, Any] | None:
    """The report of a run that is finished, else None."""
    return json.loads(run.place.read(_REPORT)) if run.place.exists(_REPORT) else None
