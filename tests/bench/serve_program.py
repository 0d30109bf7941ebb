"""The service of one way of `serve.py`: given as JSON, on a Milvus Lite file that it fills itself, until stdin ends."""

import json
import os
import sys
from typing import Any

import numpy as np


def serve(way: dict[str, Any], home: str, rows: int, model: dict[str, Any]) -> None:
    """Serve until stdin ends."""
    from vitrine.client import Client
    from vitrine.index.store import connect
    from vitrine.serve.running import serving
    from vitrine.settings import Milvus, Model, Pictures, Serve, Settings
    from vitrine.vision.engine import load
    from vitrine.vision.request import EngineRequest
    from vitrine.vision.weights import resolve

    network = Model(precision=way["precision"], **model)
    engine = load(EngineRequest(resolve(network).spec, network, Pictures(), None, "cpu"))
    milvus = Milvus(uri=f"{home}/{os.getpid()}.db", alias="bench")
    asked = Serve(port=0, batch_size=way["batch_size"], isolate=way["isolate"], cached_vectors=0, timeout_s=60)
    fill(milvus, engine, rows)
    with serving(
        Settings(milvus=milvus, serve=asked),
        open_client=lambda: Client(connect(milvus), milvus.alias, lambda model_id: engine, deadline_s=60),
    ) as url:
        print(url, flush=True)
        sys.stdin.read()


def fill(milvus: Any, engine: Any, rows: int) -> None:
    from vitrine.index import collections, schema
    from vitrine.index.load import finish
    from vitrine.index.rows import row
    from vitrine.index.store import connect
    from vitrine.product import Product

    with connect(milvus) as store:
        facts = collections.Facts(milvus.alias, "bench", engine.model_id, engine.dim, "2026-11-20T00:00:00+00:00")
        made = collections.create(store, facts)
        vectors = np.random.default_rng(1).standard_normal((rows, engine.dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        for start in range(0, rows, 500):
            some = [
                row(Product(f"P{i}", title=f"Product {i}", category=f"A/B{i % 9}"), 0, sha256="0" * 64, uri="",
                    event_us=0, indexed_us=0)[0] | {schema.VECTOR: vectors[i]}
                for i in range(start, min(rows, start + 500))
            ]  # fmt: skip
            store.insert(made.name, some)
        finish(store, made.ledger)
        finish(store, made.name)
        collections.swap(store, milvus.alias, made.name)


if __name__ == "__main__":
    serve(**json.loads(sys.argv[1]))
