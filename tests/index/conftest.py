from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrine.embedding import Vectors
from vitrine.index import schema
from vitrine.index.rows import Row, row
from vitrine.index.store import Store, connect
from vitrine.product import Product, split_image_id
from vitrine.settings import Milvus
from vitrine.testing import MemoryStore


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Store]:
    with connect(Milvus(uri=str(tmp_path / "shop.db"))) as opened:
        yield opened


@pytest.fixture
def server(on_server: Milvus) -> Iterator[Store]:
    with connect(on_server) as opened:
        yield opened


@pytest.fixture(params=["memory", "lite", "server"])
def store(request: pytest.FixtureRequest) -> Store:
    """Every test of the contract runs on the fake, on real Milvus Lite and on a real server."""
    return MemoryStore() if request.param == "memory" else request.getfixturevalue(request.param)


@pytest.fixture(params=["memory", "lite"])
def near_store(request: pytest.FixtureRequest) -> Store:
    """For what a real server is asked in one test of its own, since each of its collections takes seconds."""
    return MemoryStore() if request.param == "memory" else request.getfixturevalue(request.param)


@pytest.fixture
def picture() -> Callable[..., Row]:
    """A row: `picture("a/0", [1, 0])`, or with any property of the product."""

    def build(image_id: str, vector: Sequence[float], **stated: object) -> Row:
        product_id, position = split_image_id(image_id)
        product = Product(product_id, **{"version": 1, **stated})  # type: ignore[arg-type]
        built, _ = row(product, position, sha256="00" * 32, uri="", event_us=1, indexed_us=2)
        return {**built, schema.VECTOR: np.asarray(vector, dtype=np.float32)}

    return build


@pytest.fixture
def stage(tmp_path: Path, picture: Callable[..., Row]) -> Callable[..., list[str]]:
    """Staged Parquet files, one for each dict of image_id -> vector."""

    def write(*parts: dict[str, Vectors]) -> list[str]:
        files = []
        for number, part in enumerate(parts):
            rows = [picture(image_id, vector) for image_id, vector in part.items()]
            dim = len(rows[0][schema.VECTOR])  # type: ignore[arg-type]
            files.append(str(tmp_path / f"part-{number}.parquet"))
            pq.write_table(pa.Table.from_pylist(rows, schema=schema.ROW_SCHEMA(dim)), files[-1])
        return files

    return write


@pytest.fixture
def unit() -> Callable[..., Vectors]:
    """Seeded unit vectors, (n, dim) float32."""

    def draw(n: int, dim: int = 8, *, seed: int = 0) -> Vectors:
        drawn = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
        return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)

    return draw


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[..., list[str]]:
    """`parquet("name", [row, ...], ...)`: a Parquet file for each list of rows, all with the columns of the first."""

    def write(name: str, *parts: list[dict[str, object]]) -> list[str]:
        fields = pa.Table.from_pylist(parts[0]).schema
        files = [str(tmp_path / f"{name}-{number}.parquet") for number in range(len(parts))]
        for file, rows in zip(files, parts, strict=True):
            pq.write_table(pa.Table.from_pylist(rows, schema=fields), file)
        return files

    return write
