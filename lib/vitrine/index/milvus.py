"""The thin wrapper of pymilvus: everything that Vitrine says to Milvus is said here."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from types import TracebackType
from typing import Any

from pymilvus import MilvusClient, MilvusException

from vitrine.embedding import Vectors
from vitrine.errors import BadInput
from vitrine.index import definition, lite
from vitrine.index.faults import translated
from vitrine.index.filters import beyond
from vitrine.index.loaded import Loaded
from vitrine.index.rows import Row
from vitrine.index.schema import VECTOR, Layout
from vitrine.index.store import MAX_ROWS, Found, Store
from vitrine.index.waiting import Wait
from vitrine.settings import Milvus

FACTS = "vitrine.facts"
STRONG = "Strong"
BOUNDED = "Bounded"
NOT_FOUND = (100, 1600)
PAGE_ROWS = 1_000


class MilvusStore:
    """A Milvus server, or the server inside this process that keeps a Milvus Lite file."""

    def __init__(self, client: MilvusClient, milvus: Milvus, server: lite.Server | None = None) -> None:
        self._client = client
        self._milvus = milvus
        self._server = server
        self._loaded = Loaded(client, milvus)
        self._wait_s = Wait(milvus.uri, milvus.timeout_s)

    def within(self, timeout_s: float) -> "MilvusStore":
        """See `Store.within`."""
        view = copy.copy(self)
        view._wait_s = self._wait_s.within(timeout_s)
        return view

    def create(self, collection: str, layout: Layout, *, description: str) -> None:
        """See `Store.create`."""
        # Lite forgets descriptions; servers refuse properties that they do not know.
        properties = {"properties": {FACTS: description}} if self._server else {}
        with self._calling("creating", collection):
            # Servers would take the name of an alias, and the same name again.
            if self._client.has_collection(collection, timeout=self._wait_s()):
                raise BadInput(f"{collection} is the name of a collection or alias already")
            fields = definition.fields(layout, description)
            self._client.create_collection(
                collection, schema=fields, consistency_level=BOUNDED, timeout=self._wait_s(), **properties
            )
            indexes = definition.indexes(layout, self._milvus)
            self._client.create_index(collection, indexes, timeout=self._wait_s(), sync=False)
            # Released, Lite builds one index at the end instead of one with every segment.
            self._client.release_collection(collection, timeout=self._wait_s())

    def insert(self, collection: str, rows: Sequence[Row]) -> None:
        """See `Store.insert`."""
        with self._calling("inserting into", collection):
            self._client.insert(collection, list(rows), timeout=self._wait_s())

    def upsert(self, collection: str, rows: Sequence[Row]) -> None:
        """See `Store.upsert`."""
        with self._calling("upserting into", collection):
            self._client.upsert(collection, list(rows), timeout=self._wait_s())

    def delete(self, collection: str, keys: Sequence[str]) -> None:
        """See `Store.delete`."""
        with self._calling("deleting from", collection):
            self._client.delete(collection, list(keys), timeout=self._wait_s())

    def prepare(self, collection: str) -> None:
        """See `Store.prepare`."""
        self._loaded.forget(collection)
        with self._calling("indexing", collection):
            self._client.flush(collection, timeout=self._wait_s())
            self._client.release_collection(collection, timeout=self._wait_s())
        self._loaded.load(collection, self._wait_s)

    def pending(self, collection: str) -> int:
        """See `Store.pending`."""
        with self._calling("describing the index of", collection):
            found = self._client.describe_index(collection, VECTOR, timeout=self._wait_s())
        return int(found["pending_index_rows"])

    def count(self, collection: str) -> int:
        """See `Store.count`."""
        rows = self.query(collection, "", fields=["count(*)"], strong=True)
        return int(str(rows[0]["count(*)"]))

    def query(self, collection: str, matching: str, *, fields: Sequence[str], strong: bool = False) -> list[Row]:
        """See `Store.query`."""
        limit = {"limit": MAX_ROWS} if matching else {}
        with self._loaded.during(collection, self._wait_s), self._calling("reading", collection):
            rows = self._client.query(collection, matching, output_fields=list(fields), **limit, **self._how(strong))
        return [{name: row[name] for name in fields} for row in rows]

    def scan(self, collection: str, *, fields: Sequence[str]) -> Iterator[Row]:
        """See `Store.scan`."""
        self.count(collection)  # Strong: the server has every row by then, and pages cannot ask for that
        key = self._key(collection)
        wanted = list({*fields, key})
        page = self._page(collection, f'{key} != ""', fields=wanted)
        while page:
            yield from ({name: row[name] for name in fields} for row in page)
            page = self._page(collection, beyond(key, str(page[-1][key])), fields=wanted)

    def search(
        self,
        collection: str,
        vectors: Vectors,
        limit: int,
        *,
        fields: Sequence[str],
        matching: str = "",
        strong: bool = False,
    ) -> list[list[Found]]:
        """See `Store.search`."""

        def look(limit: int, ef: int | None) -> list[list[Found]]:
            wide = {"ef": max(ef, limit)} if ef else {}
            with self._loaded.during(collection, self._wait_s), self._calling("searching", collection):
                found = self._client.search(
                    collection,
                    list(vectors),
                    filter=matching,
                    limit=limit,
                    output_fields=list(fields),
                    search_params={"metric_type": "COSINE", "params": {**self._milvus.search_params, **wide}},
                    anns_field=VECTOR,
                    **self._how(strong),
                )
            return [[(float(hit["distance"]), dict(hit["entity"])) for hit in hits] for hits in found]

        ef = self._milvus.search_params.get("ef")
        if ef and matching and self._server:
            found = lite.filtered(look, max(ef, limit), rows=partial(self.count, collection))
            return [hits[:limit] for hits in found]
        return look(limit, ef)

    def version(self) -> str:
        """See `Store.version`."""
        if self._server:
            return lite.version()
        with self._calling("asking for the version of", "Milvus"):
            return f"Milvus {self._client.get_server_version(timeout=self._wait_s()).removeprefix('v')}"

    def collections(self) -> list[str]:
        """See `Store.collections`."""
        with self._calling("listing", "collections"):
            return sorted(self._client.list_collections(timeout=self._wait_s()))

    def description(self, collection: str) -> str:
        """See `Store.description`."""
        with self._calling("describing", collection):
            found = self._client.describe_collection(collection, timeout=self._wait_s())
        return str(found["description"] or found.get("properties", {}).get(FACTS, ""))

    def resolve(self, alias: str) -> str | None:
        """See `Store.resolve`."""
        with self._calling("resolving", alias):
            found = _if_there(partial(self._client.describe_alias, alias, timeout=self._wait_s()))
        return str(found["collection_name"]) if found else None

    def aliases(self, collection: str) -> list[str]:
        """See `Store.aliases`."""
        with self._calling("listing the aliases of", collection):
            found = _if_there(partial(self._client.list_aliases, collection, timeout=self._wait_s()))
        return sorted(found["aliases"]) if found else []

    def point(self, alias: str, collection: str) -> None:
        """See `Store.point`."""
        if self.resolve(alias) is not None:
            change = self._client.alter_alias
        elif alias in self.collections():
            raise BadInput(f"{alias} is a collection, not an alias: choose another milvus.alias")
        else:
            change = self._client.create_alias
        with self._calling(f"pointing {alias} at", collection):
            change(collection, alias, timeout=self._wait_s())

    def drop(self, collection: str) -> None:
        """See `Store.drop`; checked here because Milvus Lite would drop the alias too."""
        if collection not in self.collections():
            return
        if aliases := self.aliases(collection):
            raise BadInput(f"{collection} is served as {', '.join(aliases)}: it is not dropped")
        with self._calling("dropping", collection):
            self._client.drop_collection(collection, timeout=self._wait_s())
        self._loaded.forget(collection)

    def close(self) -> None:
        """See `Store.close`."""
        self._client.close()
        if self._server:
            self._server.stop()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _key(self, collection: str) -> str:
        with self._calling("describing", collection):
            described = self._client.describe_collection(collection, timeout=self._wait_s())
        return next(str(field["name"]) for field in described["fields"] if field.get("is_primary"))

    def _page(self, collection: str, matching: str, *, fields: Sequence[str]) -> list[Row]:
        """The first rows that match, in the order of their keys: what pymilvus' iterator asks for.

        That itself puts keys into its filter as they are, and fails at the first that holds a quotation mark.
        """
        iterating = {"iterator": "True", "reduce_stop_for_best": "True", "limit": PAGE_ROWS}
        with self._loaded.during(collection, self._wait_s), self._calling("reading", collection):
            found = self._client.query(
                collection, matching, output_fields=list(fields), timeout=self._wait_s(), **iterating
            )
        return list(found)

    def _how(self, strong: bool) -> dict[str, Any]:
        return {"timeout": self._wait_s(), "consistency_level": STRONG if strong else BOUNDED}

    def _calling(self, doing: str, name: str) -> AbstractContextManager[None]:
        return translated(f"{doing} {name} at {self._milvus.uri}")


def _if_there(call: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """What the call answers, or None if what it names is not there."""
    try:
        return call()
    except MilvusException as error:
        if error.code in NOT_FOUND:
            return None
        raise
