"""What the recommendations of a shop are on a real server: ids, lists, swaps and loading as it does them."""

from contextlib import closing

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pymilvus import MilvusClient

from vitrine.client import connect
from vitrine.index import collections, recommendations, schema
from vitrine.index.collections import Facts
from vitrine.index.load import finish
from vitrine.index.publishing import publish_related, publish_users
from vitrine.index.rows import row
from vitrine.index.store import connect as open_store
from vitrine.product import Product

AS_OF = "2026-11-20T00:00:00+00:00"
HOSTILE = ['say "hi"', "back\\slash", "a/b/../c", "line\nbreak\t", "\x01\x02", "花\U0001f600", "' or 1 == 1", "x" * 256]
EAST = np.array([1, 0], np.float32)


@pytest.fixture
def written(tmp_path):
    def write(name, rows):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
        return [str(tmp_path / f"{name}.parquet")]

    return write


def pairs(asked, others):
    return [
        {
            "product_id": product_id,
            "related_id": other,
            "score": 1 / rank,
            "rank": rank,
            "pair_count": 3,
            "support": 10**9,
            "related_support": 1,
        }
        for product_id in sorted(asked)
        for rank, other in enumerate(others, 1)
        if other != product_id
    ]


def serve_products(store, product_ids):
    made = collections.create(store, Facts("products", "p1", "m1", 2, AS_OF))
    for number, product_id in enumerate(product_ids):
        said = Product(product_id, category='A"/花', price=1.0)
        built, _ = row(said, 0, sha256="0" * 64, uri="", event_us=0, indexed_us=0)
        angle = number / 10
        store.insert(made.name, [{**built, schema.VECTOR: np.array([np.cos(angle), np.sin(angle)], np.float32)}])
    finish(store, made.name)
    collections.swap(store, "products", made.name)


@pytest.mark.slow
def test_a_server_serves_hostile_products_and_users_through_swap_rollback_and_release(on_server, written):
    supports = written("supports", [{"product_id": one, "support": n} for n, one in enumerate(HOSTILE, 1)])
    with open_store(on_server) as store:
        serve_products(store, HOSTILE)
        for run, others in (("r1", HOSTILE), ("r2", HOSTILE[::-1] + ["é" * 128] * 500)):
            files = written(f"related-{run}", pairs([*HOSTILE, "gone"], others))
            found = publish_related(
                store, on_server, alias="related", related=files, supports=supports, run=run, as_of=AS_OF
            )
        taste = [{"user_hash": "u", "interest": 0, "vector": [1.0, 0.0], "weight": 1.0, "model_id": "m1"}]
        listed = [{"user_hash": "u", "product_id": HOSTILE[0], "score": 1.0, "rank": 1}]
        tastes, items = written("taste", taste), written("items", listed)
        publish_users(store, on_server, alias="users", items=items, tastes=tastes, run="r1", as_of=AS_OF)

    assert (found.rows, found.cut_items > 0) == (len(HOSTILE) + 1, True)
    with connect(on_server) as client, closing(_plain(on_server)) as plain:
        assert [one.product_id for one in client.related("gone")] == HOSTILE[::-1]
        for name in ("related__r2", "users__r1", "products__p1"):
            plain.release_collection(name)
    with connect(on_server) as client:  # what others released is loaded when it is asked for
        assert [one.product_id for one in client.related(HOSTILE[1], 2)] == [HOSTILE[7], HOSTILE[6]]
        assert client.recommend(1, user="u")[0].product_id == HOSTILE[0]
        assert client.search_vector(EAST, 1, user="u")[0].product_id == HOSTILE[0]
        assert client.substitutes(HOSTILE[3], 1)[0].category == 'A"/花'
    with open_store(on_server) as store:
        assert recommendations.popular(store, "related__r2", 'A"/花', 3) == HOSTILE[:4:-1]
        longest = [f"{i:04}" + "\\" * 252 for i in range(499)]
        assert list(recommendations.related(store, "related__r2", [*longest, HOSTILE[0]])) == [HOSTILE[0]]
        assert collections.rollback(store, "related").name == "related__r1"
    with connect(on_server) as client:
        assert [one.product_id for one in client.related("gone")] == HOSTILE


def _plain(milvus):
    return MilvusClient(milvus.uri, token=milvus.secret(), timeout=30, dedicated=True)
