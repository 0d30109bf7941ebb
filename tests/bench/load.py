"""Rows a second into a real Milvus 2.3.5: batched insert, our bulk import, and import of what pymilvus' writer wrote.

Writes  bench-results/TIME-load.json: seconds to write the files, to load them, and until all is in the index.
Run     .venv/bin/python tests/bench/load.py [--rows N] [--dims 256 512]
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench-results"
INSERT, IMPORT, WRITER = "insert", "import", "pymilvus writer + import"
WRITTEN_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Taken:
    """What one way took, in wall seconds; `load_average` is that of the machine before and after."""

    way: str
    dim: int
    write_s: float
    load_s: float
    index_s: float
    files: int
    file_bytes: int
    rows_per_second: float
    load_average: tuple[float, float]


def main() -> int:
    """Run the bench from a command line; returns the exit code."""
    from tests.bench.machine import facts
    from tests.bench.tables import show_loads
    from vitrine.telemetry import configure_logging

    parser = argparse.ArgumentParser(description="rows a second into a real Milvus, by insert and by import")
    parser.add_argument("--rows", type=int, default=20_000, help="rows of each measurement (default 20000)")
    parser.add_argument("--dims", type=int, nargs="+", default=[256, 512], help="dimensions (default 256 512)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="directory of the JSON file (default bench-results)")
    asked = parser.parse_args()
    configure_logging()
    taken = _on_one_server(asked.rows, asked.dims)
    found = {"machine": facts(), "server": "2.3.5", "rows": asked.rows, "taken": [asdict(one) for one in taken]}
    found["ratios"] = _ratios(taken)
    path = asked.out / f"{datetime.now(UTC):%Y%m%dt%H%M%S}-load.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n")
    show_loads(found["taken"], found["ratios"])
    print(f"\nsaved {path}")
    return 0


def _on_one_server(rows: int, dims: list[int]) -> list[Taken]:
    from deploy.local import milvus
    from vitrine.settings import Milvus
    from vitrine.telemetry import progress

    with (
        tempfile.TemporaryDirectory(prefix="vitrine-bench-") as home,
        progress("bench", 3 * len(dims), "ways") as shown,
    ):
        server = milvus.start(Path(home, "server"))
        place = Milvus(uri=server.uri, token_file=server.token_file, import_uri=f"{home}/imports")
        try:
            return [one for dim in dims for one in _ways(place, rows, dim, shown.advance)]
        finally:
            server.stop()


def _ways(place: Any, rows: int, dim: int, done: Callable[[], object]) -> Iterator[Taken]:
    """The three ways, each into a collection of its own; the rows are the same."""
    from vitrine.index import bulk, load
    from vitrine.index.store import connect
    from vitrine.storage import directory

    journal = directory(f"{place.import_uri}/journal")

    def insert(name: str, files: list[str]) -> None:
        load.load_rows(store, name, files, insert_bytes=place.insert_bytes)

    def imported(name: str, files: list[str]) -> None:
        bulk.import_rows(place, name, files, journal=journal)

    ways = ((INSERT, _staged, insert), (IMPORT, _staged, imported), (WRITER, _by_pymilvus, imported))
    with connect(place) as store:
        for number, (way, write, fill) in enumerate(ways):
            yield _measured(store, f"bench_{dim}_{number}", way, (rows, dim, place.import_uri), write, fill)
            done()


def _measured(store: Any, name: str, way: str, wanted: Any, write: Callable[..., list[str]], fill: Any) -> Taken:
    from vitrine.index import load, schema

    rows, dim, _ = wanted
    store.create(name, schema.pictures(dim), description="")
    before, started = os.getloadavg()[0], time.perf_counter()
    files = write(*wanted, name)
    written = time.perf_counter()
    fill(name, files)
    loaded = time.perf_counter()
    load.finish(store, name)
    ended = time.perf_counter()
    assert store.count(name) == rows, f"{way} brought {store.count(name)} of {rows} rows"
    store.drop(name)
    seconds = written - started, loaded - written, ended - loaded
    size = sum(Path(file).stat().st_size for file in files)
    average = round(before, 2), round(os.getloadavg()[0], 2)
    return Taken(way, dim, *(round(s, 2) for s in seconds), len(files), size, round(rows / (loaded - started)), average)


def _rows(rows: int, dim: int) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    """Seeded unit vectors (n, dim) float32 and what stands beside them, some thousand at a time."""
    import numpy as np

    from vitrine.index.rows import row
    from vitrine.product import Product

    drawn = np.random.default_rng(0)
    for start in range(0, rows, WRITTEN_AT_ONCE):
        numbers = range(start, min(start + WRITTEN_AT_ONCE, rows))
        vectors = drawn.standard_normal((len(numbers), dim), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        products = (Product(f"P{n:07}", 1, f"Striped shirt {n}", "Apparel/Topwear/Shirts") for n in numbers)
        beside = [row(product, 0, sha256="0" * 64, uri="", event_us=1, indexed_us=2)[0] for product in products]
        yield vectors, beside


def _staged(rows: int, dim: int, place: str, name: str) -> list[str]:
    """One file, as a worker writes it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from vitrine.manifest import HIT_SCHEMA, with_vectors
    from vitrine.storage import directory

    with directory(place).output(f"{name}.parquet") as stream:
        writer = None
        for vectors, beside in _rows(rows, dim):
            table = with_vectors(pa.Table.from_pylist(beside, HIT_SCHEMA), vectors)
            writer = writer or pq.ParquetWriter(stream, table.schema, use_dictionary=False)
            writer.write_table(table)
        assert writer
        writer.close()
    return [f"{place}/{name}.parquet"]


def _by_pymilvus(rows: int, dim: int, place: str, name: str) -> list[str]:
    from pymilvus import DataType, MilvusClient
    from pymilvus.bulk_writer import BulkFileType, LocalBulkWriter

    from vitrine.index import schema

    fields = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    for field in schema.pictures(dim).fields:
        sizes = {"VARCHAR": {"max_length": field.max_bytes}, "FLOAT_VECTOR": {"dim": dim}}.get(field.kind, {})
        fields.add_field(field.name, DataType[field.kind], is_primary=field.name == schema.IMAGE_ID, **sizes)
    Path(place, name).mkdir(parents=True)
    with LocalBulkWriter(fields, str(Path(place, name)), file_type=BulkFileType.PARQUET) as writer:
        for vectors, beside in _rows(rows, dim):
            for one, vector in zip(beside, vectors, strict=True):
                writer.append_row({**one, schema.ATTRIBUTES: {}, schema.VECTOR: vector})
        writer.commit()
        return [str(file) for files in writer.batch_files for file in files]


def _ratios(taken: list[Taken]) -> dict[str, float]:
    rate = {(one.way, one.dim): one.rows_per_second for one in taken}
    return {
        f"import / {other}, {dim}-d": round(rate[IMPORT, dim] / rate[other, dim], 2)
        for dim in dict.fromkeys(one.dim for one in taken)
        for other in (INSERT, WRITER)
    }


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    sys.exit(main())
