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
from vitrine.catalog.units import Unit
from vitrine.errors import BadInput
from vitrine.storage import Directory

_SCHEMA = pa.schema(
    [
        ("unit_id", pa.string()),
        ("file", pa.string()),
        ("row_group", pa.int32()),
        ("start", pa.int64()),
        ("rows", pa.int64()),
        ("first_row", pa.int64()),
        ("size_bytes", pa.int64()),
        ("dropped", pa.list_(pa.int32())),
        ("versions", pa.list_(pa.int64())),
    ]
)


def write_plan(plan: Plan, path: str | Path) -> None:
    """Write a plan to a path or URI, where it appears complete or not at all; an older one there is replaced.

    Raises:
        BadInput: the place cannot be written.
    """
    facts = {"catalog_rows": plan.catalog_rows, "fingerprint": plan.fingerprint, "columns": asdict(plan.columns)}
    columns = [[getattr(unit, name) for unit in plan.units] for name in _SCHEMA.names]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, _SCHEMA.types, strict=True)]
    schema = _SCHEMA.with_metadata({"vitrine": json.dumps(facts)})
    filesystem, target = locate(str(path))
    folder, _, name = target.rpartition("/")
    with readable(str(path)), Directory(filesystem, folder).output(name) as stream:
        pq.write_table(pa.table(arrays, schema=schema), stream, compression="zstd")


def read_plan(path: str | Path) -> Plan:
    """Read what `write_plan` wrote.

    Raises:
        BadInput: there is no plan, or it is broken.
    """
    with readable(str(path)), open_parquet(str(path)) as parquet:
        table = parquet.read()
    written = (table.schema.metadata or {}).get(b"vitrine")
    if written is None or table.column_names != _SCHEMA.names:
        raise BadInput(f"{shown(str(path))} is not a plan of this version: start a new run")
    facts = json.loads(written)
    return Plan(
        units=tuple(Unit(**_frozen(row)) for row in table.to_pylist()),
        catalog_rows=facts["catalog_rows"],
        columns=Layout(**_frozen(facts["columns"])),
        fingerprint=facts["fingerprint"],
    )


def _frozen(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
