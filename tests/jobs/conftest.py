from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from deploy.local.milvus import Server
from jobs.reindex import reindex
from vitrine.embedding import Embedder, Vectors
from vitrine.index import collections, ledger, schema
from vitrine.index.collections import Collection
from vitrine.index.ledger import LedgerRow
from vitrine.index.store import connect
from vitrine.settings import Settings
from vitrine.summary import Report
from vitrine.testing import FakeEmbedder

DIM = 16


@dataclass(frozen=True)
class Shop:
    """A shop in a directory: its catalogue, its runs with FakeEmbedder, what is served.

    It is on Milvus Lite unless `database` says otherwise.
    """

    place: Path
    models: Path
    database: Mapping[str, object] = field(default_factory=dict)
    alias: str = "products"

    def write(self, columns: Mapping[str, Sequence[object]], *, rows_per_group: int = 8) -> None:
        """Write the catalogue anew."""
        pq.write_table(pa.table(dict(columns)), self.place / "catalog.parquet", row_group_size=rows_per_group)

    def settings(self, run: str, **changes: Any) -> Settings:
        """Settings of a run; sections are given as mappings."""
        sections = {name: value for name, value in changes.items() if isinstance(value, dict)}
        base: dict[str, dict[str, Any]] = {
            "milvus": {"uri": str(self.place / "shop.db"), "alias": self.alias, **self.database},
            "model": {"dim": DIM, "store": str(self.models)},
            "features": {"uri": str(self.place / "features")},
        }
        merged = {name: {**base.get(name, {}), **sections.get(name, {})} for name in {*base, *sections}}
        others = {name: value for name, value in changes.items() if name not in sections}
        values = {"catalog": [str(self.place / "catalog.parquet")], "work": str(self.place / "work"), "run": run}
        return Settings.model_validate({**values, **merged, **others})

    def run(self, name: str, make_embedder: Callable[[], Embedder] | None = None, **changes: Any) -> Report:
        """Reindex; the embedder is a fake unless one is given."""
        return reindex(self.settings(name, **changes), make_embedder=make_embedder or partial(FakeEmbedder, dim=DIM))

    def served(self) -> Collection | None:
        """What the alias serves."""
        with connect(self.settings("x").milvus) as store:
            return collections.current(store, self.alias)

    def collections(self) -> list[str]:
        """All collections and ledgers there are."""
        with connect(self.settings("x").milvus) as store:
            return [name for name in store.collections() if name.startswith(self.alias)]

    def vectors(self) -> dict[str, Vectors]:
        """What the alias serves, by image_id."""
        with connect(self.settings("x").milvus) as store:
            rows = store.scan(self.alias, fields=[schema.IMAGE_ID, schema.VECTOR])
            return {str(row[schema.IMAGE_ID]): np.asarray(row[schema.VECTOR], np.float32) for row in rows}

    def exceptions(self) -> list[LedgerRow]:
        """The served ledger, by product."""
        with connect(self.settings("x").milvus) as store:
            served = collections.current(store, self.alias)
            return sorted(ledger.read(store, served.ledger), key=lambda row: row.product_id) if served else []


@pytest.fixture(scope="session")
def model_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model store for all tests, since each copy of the weights has 22 MB."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def shop(tmp_path: Path, model_store: Path, spark: SparkSession) -> Shop:
    """An empty shop whose jobs run in the Spark of the tests."""
    return Shop(tmp_path, model_store)


@pytest.fixture
def server_shop(tmp_path: Path, model_store: Path, spark: SparkSession, milvus_server: Server) -> Callable[[str], Shop]:
    """`server_shop(alias)` is a shop on the real server; aliases must differ from test to test."""
    server = {"uri": milvus_server.uri, "token_file": str(milvus_server.token_file)}

    def make(alias: str) -> Shop:
        (tmp_path / alias).mkdir(exist_ok=True)
        return Shop(tmp_path / alias, model_store, server, alias)

    return make
