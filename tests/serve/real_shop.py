"""A few drawn products with the bundled model's vectors."""

from vitrine.index import collections, schema
from vitrine.index.collections import Facts
from vitrine.index.load import finish
from vitrine.index.rows import row
from vitrine.index.store import connect
from vitrine.product import Product
from vitrine.rendering import draw, jpeg, look
from vitrine.settings import Milvus, Model, Pictures
from vitrine.vision.engine import engine_of
from vitrine.vision.weights import resolve

PRODUCTS = 8


def picture(number: int, *, view: int = 0) -> bytes:
    return jpeg(draw(look(number), view=view))


def fill(milvus: Milvus) -> None:
    """A collection with the vectors that a job would write, behind the alias of the settings."""
    spec = resolve(Model()).spec
    engine = engine_of(spec.model_id, None, Pictures(), "cpu")
    batch = next(iter(engine.embed((f"P{number}", picture(number)) for number in range(PRODUCTS))))
    with connect(milvus) as store:
        made = collections.create(
            store, Facts(milvus.alias, "r1", spec.model_id, spec.dim, "2026-11-20T00:00:00+00:00")
        )
        for key, vector in zip(batch.keys, batch.vectors, strict=True):
            built, _ = row(
                Product(key, title=f"drawn {key}", price=float(key[1:])),
                0,
                sha256="0" * 64,
                uri="",
                event_us=0,
                indexed_us=0,
            )
            store.insert(made.name, [{**built, schema.VECTOR: vector}])
        finish(store, made.ledger)
        finish(store, made.name)
        collections.swap(store, milvus.alias, made.name)
