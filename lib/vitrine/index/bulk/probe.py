"""Whether a server keeps its word on imported rows: tried out on a small scratch collection."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from vitrine.errors import VitrineError
from vitrine.index import load, schema
from vitrine.index.bulk.importer import Importer
from vitrine.index.bulk.places import server_paths
from vitrine.index.bulk.watching import see_through
from vitrine.index.rows import Row, row
from vitrine.index.store import Store
from vitrine.product import Product, image_id
from vitrine.settings import Milvus
from vitrine.storage import Directory, require_writable

PREFIX = "vitrine_probe__"
FOLDER = "probes"
LEFT_AFTER_S = 3600
"""What a probe that was killed, or that lost the server, leaves behind is cleared away by one that begins later."""
DIM = 8
KEPT, UPSERTED, DELETED = range(500), range(500, 1_000), range(1_000, 1_500)
"""Together more than the 1,024 rows below which Milvus builds no index."""


def probe(store: Store, importer: Importer, milvus: Milvus) -> str:
    """What is wrong after import, upsert, delete, flush, release and load; nothing if each key has its one row.

    Raises:
        BadInput: rows cannot be imported at all, with the server's reason.
        Unavailable: the server does not answer.
    """
    uri = f"{str(milvus.import_uri).rstrip('/')}/{FOLDER}"
    place = require_writable(uri, "milvus.import_uri")
    _clear(store, place)
    scratch = f"{PREFIX}{time.time():.0f}_{uuid4().hex[:8]}"
    rows = [_row(number, version=1) for number in (*KEPT, *UPSERTED, *DELETED)]
    with _file(place, uri, f"{scratch}.parquet", rows) as path, _collection(store, scratch):
        see_through(importer, [importer.submit(scratch, [path])], milvus, collection=scratch)
        store.upsert(scratch, [_row(number, version=2) for number in UPSERTED])
        store.delete(scratch, [_key(number) for number in DELETED])
        load.finish(store, scratch)
        return _verdict(store, scratch)


def _verdict(store: Store, scratch: str) -> str:
    rows = store.scan(scratch, fields=[schema.IMAGE_ID, schema.VERSION])
    found = Counter((row[schema.IMAGE_ID], row[schema.VERSION]) for row in rows)
    wanted = {(_key(number), 1) for number in KEPT} | {(_key(number), 2) for number in UPSERTED}
    by_key = Counter(key for key, _ in found.elements())
    wrong = {
        "deleted keys that have a row": sum(_key(number) in by_key for number in DELETED),
        "keys with several rows": sum(n > 1 for n in by_key.values()),
        "keys without their row": len(wanted - found.keys()),
    }
    told = ", ".join(f"{n} {what}" for what, n in wrong.items() if n)
    return f"the probe found {told}" if told else ""


def _clear(store: Store, place: Directory) -> None:
    for name in _left(store.collections()):
        store.drop(name)
    for name in _left(place.names()):
        place.delete(name)


def _left(names: Iterable[str]) -> list[str]:
    """Names of probes that began long ago."""
    oldest = f"{PREFIX}{time.time() - LEFT_AFTER_S:.0f}"
    return [name for name in names if name.startswith(PREFIX) and name < oldest]


@contextmanager
def _file(place: Directory, uri: str, name: str, rows: list[Row]) -> Iterator[str]:
    """Rows as a file for the server to read; gives the server's name of it."""
    with place.output(name) as stream:
        pq.write_table(pa.Table.from_pylist(rows, schema.ROW_SCHEMA(DIM)), stream)
    with _cleared(lambda: place.delete(name)):
        [path] = server_paths(uri, [f"{uri}/{name}"])
        yield path


@contextmanager
def _collection(store: Store, name: str) -> Iterator[None]:
    store.create(name, schema.pictures(DIM), description="")
    with _cleared(lambda: store.drop(name)):
        yield


@contextmanager
def _cleared(clear: Callable[[], None]) -> Iterator[None]:
    """Clear up after a block, unless it lost the server: then an import job may still be running."""
    try:
        yield
    except VitrineError as error:
        if not error.retriable:
            clear()
        raise
    clear()


def _key(number: int) -> str:
    return image_id(f"probe{number}", 0)


def _row(number: int, *, version: int) -> Row:
    product = Product(f"probe{number}", version=version)
    built, _ = row(product, 0, sha256="", uri="", event_us=0, indexed_us=0)
    return {**built, schema.VECTOR: [1.0, *[number / 1_000] * (DIM - 1)]}
