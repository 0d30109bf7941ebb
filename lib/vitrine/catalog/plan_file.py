"""A plan on disk: one Parquet file, so that every process of a run reads the same units."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vitrine.catalog.columns import Layout
from vitrine.catalog.planning import Plan
from vitrine.catalog.sources import locate, open_parquet, readable, shown
from vitrine.catalog.units import Piece, Unit
from vitrine.errors import BadInput
from vitrine.storage import Directory

PLAN = "plan.parquet"
"""Name of the plan in a run's directory."""
UNITS_PER_GROUP = 16
"""Units of one row group, which a process reads to have one of them: 3 MB at most."""

_PIECE = pa.struct(
    [
        ("file", pa.string()),
        ("row_group", pa.int32()),
        ("start", pa.int64()),
        ("rows", pa.int64()),
        ("first_row", pa.int64()),
    ]
)
_SCHEMA = pa.schema(
    [
        ("unit_id", pa.string()),
        ("pieces", pa.list_(_PIECE)),
        ("size_bytes", pa.int64()),
        ("dropped", pa.binary()),
        ("versions", pa.binary()),
    ]
)


def write_plan(plan: Plan, path: str | Path) -> None:
    """Write a plan to a path or URI, where it appears complete or not at all; an older one there is replaced.

    Raises:
        BadInput: the place cannot be written.
    """
    facts = {"catalog_rows": plan.catalog_rows, "fingerprint": plan.fingerprint, "columns": asdict(plan.columns)}
    schema = _SCHEMA.with_metadata({"vitrine": json.dumps(facts)})
    filesystem, target = locate(str(path))
    folder, _, name = target.rpartition("/")
    with (
        readable(str(path)),
        Directory(filesystem, folder).output(name) as stream,
        pq.ParquetWriter(stream, schema, compression="zstd", write_statistics=False) as writer,
    ):
        for start in range(0, len(plan.units), UNITS_PER_GROUP):
            units = [asdict(unit) for unit in plan.units[start : start + UNITS_PER_GROUP]]
            writer.write_table(pa.Table.from_pylist(units, schema))


def read_plan(path: str | Path) -> Plan:
    """Read what `write_plan` wrote.

    Raises:
        BadInput: there is no plan, or it is broken.
    """
    with readable(str(path)), open_parquet(str(path)) as parquet:
        facts = _facts(parquet, path)
        groups = range(parquet.num_row_groups)
        units = [_unit(row) for group in groups for row in parquet.read_row_group(group).to_pylist()]
    return Plan(tuple(units), facts["catalog_rows"], _layout(facts["columns"]), facts["fingerprint"])


def read_unit(path: str | Path, unit_id: str) -> Unit:
    """One unit of a plan, without reading the others.

    Raises:
        BadInput: there is no plan, or it is broken or has no such unit.
    """
    group, row = divmod(int(unit_id), UNITS_PER_GROUP)
    with readable(str(path)), open_parquet(str(path)) as parquet:
        _facts(parquet, path)
        units = parquet.read_row_group(group).slice(row, 1).to_pylist() if group < parquet.num_row_groups else []
    if not units:
        raise BadInput(f"{shown(str(path))} has no unit {unit_id}: start a new run")
    return _unit(units[0])


def _facts(parquet: pq.ParquetFile, path: str | Path) -> dict[str, Any]:
    written = (parquet.schema_arrow.metadata or {}).get(b"vitrine")
    if written is None or parquet.schema_arrow.names != _SCHEMA.names:
        raise BadInput(f"{shown(str(path))} is not a plan of this version: start a new run")
    facts: dict[str, Any] = json.loads(written)
    return facts


def _layout(columns: dict[str, Any]) -> Layout:
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in columns.items()}
    return Layout(**values)


def _unit(row: dict[str, Any]) -> Unit:
    return Unit(**{**row, "pieces": tuple(Piece(**piece) for piece in row["pieces"])})
