"""One unit of a reindex, as an executor runs it: read, reuse, embed, write; committed by one manifest.

Files of a run, all below its directory: `rows/` finished rows in Milvus' import layout, `hits/` rows whose vectors
the feature store holds, `unreachable/` rows of pictures that could not be fetched just now, `outcomes/` one line a
picture, `units/<unit_id>.json` the manifest that commits them. Data files carry the attempt in their names; only
those that a manifest names count. `attempts/<unit_id>` is there while a unit is tried: one that is found tells that an
earlier attempt has lost its process.
"""

import functools
import gc
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import asdict, replace
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from vitrine import catalog, refused
from vitrine.embedding import Batch, Embedder
from vitrine.errors import BadInput
from vitrine.features import KnownHashes
from vitrine.index import schema
from vitrine.intake import Candidate, Intake, UnitJob
from vitrine.manifest import HIT_SCHEMA, OUTCOME_SCHEMA, Manifest, with_vectors
from vitrine.product import Reject
from vitrine.spark import assigned_cores, assigned_device, in_task
from vitrine.storage import Directory, directory
from vitrine.telemetry import peak_memory_bytes
from vitrine.thumbnails import Maker, Thumbnails
from vitrine.vision.request import EngineRequest

KNOWN_HASHES = "known-hashes.bin"
KNOWN_THUMBNAILS = "known-thumbnails.bin"
REFUSED = "refused"


def run_unit(unit: catalog.Unit, job: UnitJob, make_embedder: Callable[[], Embedder]) -> Manifest:
    """Do one unit and commit it; `make_embedder` is called only if a picture must be embedded.

    May be done again, also at the same time elsewhere: the attempt whose manifest is written last counts. Where an
    earlier attempt has lost its process, to a picture that kills decoders or to anything else, pictures are isolated.

    Raises:
        BadInput: the file is not the one that was planned.
    """
    place = directory(job.run_directory)
    with _attempt(place, unit.unit_id) as isolated:
        manifest = _done(unit, job, make_embedder, isolated=isolated)
        place.write(f"units/{unit.unit_id}.json", json.dumps(asdict(manifest)).encode())
    return manifest


@contextmanager
def _attempt(place: Directory, unit_id: str) -> Iterator[bool]:
    """Note that a unit is being tried; gives whether an earlier attempt has lost its process.

    An attempt that fails by an exception has not, and leaves things as they were.
    """
    name = f"attempts/{unit_id}"
    lost = place.exists(name)
    if not lost:
        place.write(name, b"")
    try:
        yield lost
    except BaseException:
        if not lost:
            place.delete(name)
        raise
    place.delete(name)


def _done(unit: catalog.Unit, job: UnitJob, make_embedder: Callable[[], Embedder], *, isolated: bool) -> Manifest:
    started = time.monotonic()
    place = directory(job.run_directory)
    intake = Intake(job, *_known(job.run_directory))
    name = f"{unit.unit_id}-{uuid4().hex[:8]}.parquet"
    with _maker(job) as maker:
        if maker:
            intake.show = maker.offer
        passes, runs_on = _embed(intake, unit, make_embedder, rows_file=f"rows/{name}", isolated=isolated)
    if len(intake.catalog_rows) != unit.rows:
        read = f"{len(intake.catalog_rows)} of {unit.rows} rows"
        raise BadInput(f"{unit.pieces[0].file} gave {read} of unit {unit.unit_id}: it changed; start a new run")
    hits = sorted(intake.hits, key=lambda row: str(row[schema.IMAGE_SHA256]))
    return _manifest(
        intake,
        unit_id=unit.unit_id,
        forward_passes=passes,
        thumbnails=maker.made if maker else 0,
        runs_on=runs_on,
        seconds=time.monotonic() - started,
        rows_file=name,
        hits_file=_write(place, f"hits/{name}", hits, HIT_SCHEMA),
        unreachable_file=_write(place, f"unreachable/{name}", intake.unreachable, HIT_SCHEMA),
        outcomes_file=_write(place, f"outcomes/{name}", _in_file_order(intake.outcomes), OUTCOME_SCHEMA),
    )


def _maker(job: UnitJob) -> AbstractContextManager[Maker | None]:
    """What makes thumbnails while the unit is done, if there are to be any."""
    if job.thumbnails is None or job.thumbnails.uri is None:
        return nullcontext()
    thumbnails = Thumbnails(job.thumbnails.uri, job.thumbnails.size, limits=job.pictures)
    known = KnownHashes(directory(job.run_directory), KNOWN_THUMBNAILS)
    return Maker(thumbnails, known, threads=assigned_cores())


def _embed(
    intake: Intake, unit: catalog.Unit, make_embedder: Callable[[], Embedder], *, rows_file: str, isolated: bool
) -> tuple[int, str]:
    """Embed what must be, write the rows as they come; returns the number of forward passes and what they ran on."""
    waiting = intake.to_embed(catalog.read(unit, intake.job.layout))
    first = next(waiting, None)
    if first is None:
        return 0, ""
    with ExitStack() as stack:
        embedder = make_embedder()
        if isolated:
            embedder = stack.enter_context(embedder.isolated())
        before, writer = embedder.forward_passes, None
        for batch in embedder.embed(itertools.chain([first], waiting)):
            table = _finished(intake, batch)
            if len(table):
                if writer is None:
                    stream = stack.enter_context(directory(intake.job.rows_directory).output(rows_file))
                    writer = stack.enter_context(pq.ParquetWriter(stream, table.schema, use_dictionary=False))
                writer.write_table(table)
    return embedder.forward_passes - before, embedder.runs_on


def _finished(intake: Intake, batch: Batch[Candidate]) -> pa.Table:
    """The rows of a batch with their vectors, in its order; every key is noted."""
    rows = []
    for candidate, reject in zip(batch.keys, batch.rejects, strict=True):
        intake.note(candidate, "rejected" if reject else "embedded", reject=reject)
        if reject is None:
            rows.append(intake.row(candidate))
    return with_vectors(pa.Table.from_pylist(rows, HIT_SCHEMA), batch.vectors)


def _in_file_order(outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(outcomes, key=lambda outcome: (outcome["file"], outcome["row"], outcome["position"]))


def _write(place: Directory, name: str, rows: Sequence[dict[str, Any]], columns: pa.Schema) -> str:
    """Write the rows if there are any; returns the file's name, or an empty one."""
    if not rows:
        return ""
    with place.output(name) as stream:
        pq.write_table(pa.Table.from_pylist(rows, columns), stream)
    return name


def _manifest(intake: Intake, *, rows_file: str, **facts: Any) -> Manifest:
    outcomes = [outcome["outcome"] for outcome in intake.outcomes]
    embedded = outcomes.count("embedded")
    return Manifest(
        catalog_rows=len(intake.catalog_rows),
        rows=intake.rows,
        embedded=embedded,
        reused=outcomes.count("reused"),
        rejected=outcomes.count("rejected"),
        duplicates=intake.duplicates,
        cut_texts=sum(intake.cuts),
        size_bytes=intake.size_bytes,
        process=f"{os.uname().nodename}:{os.getpid()}",
        peak_memory_bytes=peak_memory_bytes(),
        rows_file=f"rows/{rows_file}" if embedded else "",
        **facts,
    )


def _known(run_directory: str) -> tuple[KnownHashes, Mapping[str, Reject]]:
    place = directory(run_directory)
    written = place.filesystem.get_file_info(place.path(KNOWN_HASHES)).mtime_ns
    return _written(run_directory, written or 0)


@functools.lru_cache(maxsize=1)
def _written(run_directory: str, _mtime_ns: int) -> tuple[KnownHashes, Mapping[str, Reject]]:
    """What is known, once for all units of a process; a resumed run writes it anew under the same names."""
    place = directory(run_directory)
    return KnownHashes(place, KNOWN_HASHES), refused.read(place.within(REFUSED))


def task_engine(request: EngineRequest) -> Embedder:
    """The engine of this process, built at the first call, on the device and with the cores that the task was assigned.

    On an executor the process is set up for embedding and nothing else. A driver takes the best device that it has,
    since executors may have GPUs where it has none.
    """
    from vitrine.vision.engine import device_of, load, load_alone

    if not in_task():
        return load(replace(request, device=device_of(None, "cpu" if request.device == "cpu" else "auto")))
    device = device_of(assigned_device(), request.device)
    engine = load_alone(replace(request, device=device, threads=assigned_cores()))
    gc.freeze()  # torch's modules are 400,000 objects, and pyspark collects garbage after each task: 0.23 s
    return engine


def run_unit_text(unit_id: str, *, job: UnitJob, make_embedder: Callable[[], Embedder]) -> str:
    """`run_unit` as it goes through Spark: with a unit of the run's plan by its id, and the manifest as JSON."""
    planned = catalog.read_unit(f"{job.run_directory}/{catalog.PLAN}", unit_id)
    return json.dumps(asdict(run_unit(planned, job, make_embedder)))
