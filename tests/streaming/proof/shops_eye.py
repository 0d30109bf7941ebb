"""Milvus as a stranger sees it: plain pymilvus, reading Strong; and a shop that is made once, empty."""

import json
import time
from typing import Any

from pymilvus import MilvusClient, MilvusException

from tests.streaming.proof.evidence import Look, View
from vitrine.index import collections
from vitrine.index.collections import Collection, Facts
from vitrine.index.store import connect
from vitrine.settings import Milvus

ALL = 16_384
LIVE, SAID = ["product_id", "version"], ["product_id", "version", "deleted"]
AS_OF = "2026-01-01T00:00:00+00:00"


def make_shop(milvus: Milvus, *, model_id: str, dim: int, run: str, serve: bool = True) -> Collection:
    """An empty collection with its ledger, behind the alias of the settings."""
    with connect(milvus) as store:
        made = collections.create(store, Facts(milvus.alias, run, model_id, dim, AS_OF))
        for name in made.names:
            store.prepare(name)
        if serve:
            collections.swap(store, milvus.alias, made.name)
        return made


def point(milvus: Milvus, collection: str) -> None:
    """Make the alias serve another collection."""
    with connect(milvus) as store:
        collections.swap(store, milvus.alias, collection)


class Shop:
    """A searcher of one alias, with vectors of `dim`."""

    def __init__(self, milvus: Milvus, dim: int) -> None:
        self._alias, self._query = milvus.alias, [1.0] + [0.0] * (dim - 1)
        self._client = MilvusClient(milvus.uri, token=milvus.secret(), timeout=10, dedicated=True)

    def look(self) -> Look:
        """Versions of all products, now, and whether a search answers; the moment is that before it was asked."""
        at, serving = time.monotonic(), ""
        try:
            serving = self.serving()
            self._client.search(self._alias, [self._query], limit=10, output_fields=["product_id"])
            live: dict[str, int] = {}
            for row in self._read(serving, LIVE):
                live[row["product_id"]] = max(row["version"], live.get(row["product_id"], row["version"]))
            deleted = {
                row["product_id"]: row["version"] for row in self._read(_ledger(serving), SAID) if row["deleted"]
            }
        except MilvusException as error:
            return Look(at, serving, {}, {}, error=str(error)[:200])
        return Look(at, serving, live, deleted)

    def view(self, collection: str) -> View:
        """All of a collection and its ledger."""
        rows, ledger = self._read(collection, ["*"]), self._read(_ledger(collection), ["*"])
        (counted,) = self._client.query(collection, "", output_fields=["count(*)"], consistency_level="Strong")
        for row in rows:
            row["attributes"] = _decoded(row["attributes"])
        for row in ledger:
            row["missing"] = _decoded(row["missing"])
        return View(f"vitrine.{collection}", rows, ledger, counted["count(*)"])

    def serving(self) -> str:
        """The collection behind the alias."""
        return self._client.describe_alias(self._alias)["collection_name"]

    def close(self) -> None:
        self._client.close()

    def _read(self, collection: str, fields: list[str]) -> list[dict[str, Any]]:
        return list(
            self._client.query(
                collection, "product_id >= ''", output_fields=fields, limit=ALL, consistency_level="Strong"
            )
        )


def _ledger(collection: str) -> str:
    alias, run = collection.split("__", 1)
    return f"{alias}_ledger__{run}"


def _decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str | bytes) else value
