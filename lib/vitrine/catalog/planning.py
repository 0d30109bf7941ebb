"""The plan of a reindex: which rows are read, in which units, and which of them count."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import pyarrow as pa

from vitrine.catalog.columns import Layout, layout
from vitrine.catalog.duplicates import settle
from vitrine.catalog.keys import Keys, join_keys, read_keys
from vitrine.catalog.sources import Source, find, open_parquet, readable, shown
from vitrine.catalog.units import RowGroup, Unit, cut, row_groups
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

    @property
    def files(self) -> frozenset[str]:
        """The files that its units read."""
        return frozenset(piece.file for unit in self.units for piece in unit.pieces)


@dataclass(frozen=True, slots=True)
class _File:
    source: Source
    rows: int
    groups: tuple[RowGroup, ...]
    keys: Keys


def plan(settings: Settings, *, slots: int, deleted: Mapping[str, int] | None = None) -> Plan:
    """Read footers and key columns, settle versions and duplicates, and cut the catalogue into units.

    `slots` is how many units run at a time; `deleted` maps a product to the version of a known delete. Pictures are
    not read.

    Raises:
        BadInput: a file or column is not what a catalogue needs, or there is no row.
        BadSettings: settings.catalog is empty or an address cannot be used.
        Unavailable: a store did not answer.
    """
    sources = find(settings.catalog)
    columns = _layout(settings, sources[0])
    with ThreadPoolExecutor(READERS) as pool:
        files = list(pool.map(lambda source: _read(settings, source, first=sources[0], columns=columns), sources))
    rows = sum(file.rows for file in files)
    if not rows:
        raise BadInput(f"{', '.join(map(shown, settings.catalog))}: no row in any file: check --catalog")
    keys = join_keys([file.keys for file in files])
    settled = settle(keys, version_of=columns.version_of, max_images=columns.max_images, deleted=deleted or {})
    groups = [group for file in files for group in file.groups]
    versions = settled.versions if columns.version_of == "picture" else None
    units = cut(groups, slots=slots, dropped=settled.dropped, versions=versions)
    return Plan(units, rows, columns, _fingerprint(files, columns))


def _layout(settings: Settings, source: Source) -> Layout:
    with readable(source.file), open_parquet(source.file) as parquet:
        return _layout_of(settings, source, parquet.schema_arrow)


def _layout_of(settings: Settings, source: Source, schema: pa.Schema) -> Layout:
    return layout(
        settings.columns,
        schema,
        file=source.file,
        partitions=source.partitions,
        max_images=settings.pictures.max_images,
    )


def _read(settings: Settings, source: Source, *, first: Source, columns: Layout) -> _File:
    """What the plan needs of a file; its footer, which may be large, is not kept."""
    with readable(source.file), open_parquet(source.file) as parquet:
        _require_same(_layout_of(settings, source, parquet.schema_arrow), columns, file=source.file, first=first.file)
        groups = tuple(row_groups(source.file, parquet.metadata, columns))
        keys = read_keys(parquet, source.file, columns)
        return _File(source, parquet.metadata.num_rows, groups, keys)


def _require_same(found: Layout, wanted: Layout, *, file: str, first: str) -> None:
    if found == wanted:
        return
    mine, theirs = asdict(wanted), asdict(found)
    role = next(name for name in mine if mine[name] != theirs[name])
    raise BadInput(
        f"{shown(first)} and {shown(file)} differ in columns for {role} "
        f"({mine[role] or 'none'}, {theirs[role] or 'none'}): write them with the same columns"
    )


def _fingerprint(files: Sequence[_File], columns: Layout) -> str:
    facts = [(shown(file.source.file), file.source.size_bytes, file.source.mtime_ns, file.rows) for file in files]
    return hashlib.sha256(json.dumps([facts, asdict(columns)], sort_keys=True).encode()).hexdigest()
