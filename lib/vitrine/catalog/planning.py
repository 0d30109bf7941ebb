"""The plan of a reindex: which rows are read, in which units, and which of them count."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from vitrine.catalog.columns import Layout, layout
from vitrine.catalog.duplicates import settle
from vitrine.catalog.keys import join_keys, read_keys
from vitrine.catalog.sources import Source, find, open_parquet, readable, shown
from vitrine.catalog.units import Unit, cut, row_groups
from vitrine.errors import BadInput
from vitrine.settings import Settings

READERS = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """All units, largest first; every row of the catalogue is in exactly one.

    `fingerprint` is a sha256 over the files (path, size, time, rows) and the columns: a changed catalogue shows.
    """

    units: tuple[Unit, ...]
    catalog_rows: int
    columns: Layout
    fingerprint: str


@dataclass(frozen=True, slots=True)
class _File:
    source: Source
    metadata: pq.FileMetaData
    schema: pa.Schema


def plan(settings: Settings, *, slots: int, deleted: Mapping[str, int] | None = None) -> Plan:
    """Read footers and key columns, settle versions and duplicates, and cut the catalogue into units.

    `slots` is how many units run at a time; `deleted` maps a product to the version of a known delete. Pictures are
    not read.

    Raises:
        BadInput: a file or column is not what a catalogue needs, or there is no row.
        BadSettings: settings.catalog is empty or an address cannot be used.
        Unavailable: a store did not answer.
    """
    with ThreadPoolExecutor(READERS) as pool:
        files = list(pool.map(_open, find(settings.catalog)))
        columns = _agreed(settings, files)
        rows = sum(file.metadata.num_rows for file in files)
        if not rows:
            raise BadInput(f"{', '.join(map(shown, settings.catalog))}: no row in any file: check --catalog")
        keys = join_keys(
            list(pool.map(lambda file: read_keys(file.source.file, columns, metadata=file.metadata), files))
        )
    settled = settle(keys, version_of=columns.version_of, max_images=columns.max_images, deleted=deleted or {})
    groups = list(row_groups([(file.source.file, file.metadata) for file in files], columns))
    versions = settled.versions if columns.version_of == "picture" else None
    units = cut(groups, slots=slots, dropped=settled.dropped, versions=versions)
    return Plan(units, rows, columns, _fingerprint(files, columns))


def _open(source: Source) -> _File:
    with readable(source.file), open_parquet(source.file) as parquet:
        return _File(source, parquet.metadata, parquet.schema_arrow)


def _agreed(settings: Settings, files: Sequence[_File]) -> Layout:
    layouts = [
        layout(
            settings.columns,
            file.schema,
            file=file.source.file,
            partitions=file.source.partitions,
            max_images=settings.pictures.max_images,
        )
        for file in files
    ]
    first = layouts[0]
    for file, other in zip(files, layouts, strict=True):
        if other != first:
            mine, theirs = asdict(first), asdict(other)
            role = next(name for name in mine if mine[name] != theirs[name])
            raise BadInput(
                f"{shown(files[0].source.file)} and {shown(file.source.file)} differ in columns for {role} "
                f"({mine[role] or 'none'}, {theirs[role] or 'none'}): write them with the same columns"
            )
    return first


def _fingerprint(files: Sequence[_File], columns: Layout) -> str:
    facts = [
        (shown(file.source.file), file.source.size_bytes, file.source.mtime_ns, file.metadata.num_rows)
        for file in files
    ]
    return hashlib.sha256(json.dumps([facts, asdict(columns)], sort_keys=True).encode()).hexdigest()
