"""The whole job into a real Milvus server: what it serves is what Milvus Lite would serve."""

import numpy as np
import pytest

from jobs.reindex import reindex
from vitrine.errors import BadInput
from vitrine.flags import exit_code
from vitrine.index import collections, schema
from vitrine.index.store import connect
from vitrine.rendering import draw, look
from vitrine.rendering.broken import BROKEN_PICTURES

K, QUERIES = 10, 200
TIE = 1e-5
"""What float32 sums of one product may differ by between two programs."""


@pytest.fixture
def listing(drawn_pictures) -> dict[str, list[object]]:
    """Products with several pictures, with broken ones, with none, and a stale row."""
    broken = [make(draw(look(1), size=64)) for make in BROKEN_PICTURES.values()]
    images = [[drawn_pictures[2 * n], drawn_pictures[2 * n + 1]] for n in range(25)]
    images += [[drawn_pictures[50], one] for one in broken] + [[], [drawn_pictures[51]]]
    products = [f"p{n:02}" for n in range(len(images) - 1)]
    return {
        "product_id": [*products, "p00"],
        "images": images,
        "version": [2] * len(products) + [1],
        "title": [f'Größe "{n}" \\' for n in range(len(images))],
        "category": ["Apparel/Shirts" if n % 2 else "Apparel/Shoes" for n in range(len(images))],
        "price": [float(n) for n in range(len(images))],
    }


def rows_of(shop) -> dict[object, object]:
    """What the alias serves, by key, but for the moments of the run."""
    fields = [name for name in schema.pictures(16).names if name not in (schema.INDEXED_US, schema.EVENT_US)]
    with connect(shop.settings("x").milvus) as store:
        rows = list(store.scan(shop.alias, fields=fields))
        assert store.count(shop.alias) == len(rows)
    return {row[schema.IMAGE_ID]: {**row, schema.VECTOR: list(row[schema.VECTOR])} for row in rows}


@pytest.mark.parametrize("load", ["insert", pytest.param("import", marks=pytest.mark.slow)])
def test_the_server_holds_what_lite_holds_reuses_it_and_goes_back(load, shop, server_shop, listing, tmp_path) -> None:
    server = server_shop(f"same_by_{load}")
    milvus = {"load": load, "import_uri": str(tmp_path / "shared")}
    for one in (shop, server):
        one.write(listing)
    on_lite = shop.run("one", max_reject_ratio=0.5)
    first = server.run("one", max_reject_ratio=0.5, milvus=milvus)

    assert first.load.startswith(load)
    assert (first.rows, first.embedded, first.rejected) == (on_lite.rows, on_lite.embedded, on_lite.rejected)
    assert first.recall_at_10 == 1.0
    assert rows_of(server) == rows_of(shop)
    assert server.exceptions() == shop.exceptions() != []

    second = server.run("two", max_reject_ratio=0.5, milvus=milvus)
    assert (second.embedded, second.reused, second.forward_passes) == (0, first.embedded, 0)
    assert (second.previous, server.served().name) == (first.collection, second.collection)
    assert rows_of(server) == rows_of(shop)

    with connect(server.settings("x").milvus) as store:
        assert collections.rollback(store, server.alias).name == first.collection
    assert rows_of(server) == rows_of(shop)


def test_what_others_made_is_left_alone_in_one_line(server_shop, listing, capfd) -> None:
    shop = server_shop("theirs")
    shop.write(listing)
    with connect(shop.settings("x").milvus) as store:
        store.create("theirs_own", schema.pictures(8), description="a stranger's")
        store.point("theirs", "theirs_own")

    assert exit_code(lambda: shop.run("one")) == 1

    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("vitrine: ")]
    assert said == ["vitrine: collection theirs_own was not made by Vitrine: choose another milvus.alias"]
    with connect(shop.settings("x").milvus) as store:
        assert store.resolve("theirs") == "theirs_own"
        assert store.count("theirs_own") == 0


def test_another_dimension_than_the_served_one_is_refused(server_shop, listing) -> None:
    shop = server_shop("other_dimension")
    shop.write(listing)
    first = shop.run("one", max_reject_ratio=0.5)

    with pytest.raises(BadInput, match=f"alias other_dimension serves {first.collection} of model"):
        shop.run("two", max_reject_ratio=0.5, model={"dim": 8})

    assert shop.served().name == first.collection


CATALOGUES = {"clothing": {}, "fashion": {"category": "master_category/sub_category/article_type"}}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("catalogue", CATALOGUES)
def test_a_real_catalogue_is_answered_alike_by_server_and_lite(catalogue, shop, server_shop, shared_data, tmp_path):
    real = {
        "catalog": [str(shared_data / catalogue / "catalog.parquet")],
        "columns": CATALOGUES[catalogue],
        "model": {"dim": None},
        "features": {"uri": str(tmp_path / "features")},
    }
    server = server_shop(f"real_{catalogue}")
    on_lite = reindex(shop.settings("lite", **real, milvus={"index_type": "FLAT"}))
    held = shop.vectors()
    ids, queries, exact = neighbours(held)
    assert overlap(shop, ids, queries, exact) == 1.0

    ways = {
        "exact": {"load": "insert", "index_type": "FLAT"},
        "insert": {"load": "insert"},
        "import": {"load": "import", "import_uri": str(tmp_path / "shared")},
    }
    for name, milvus in ways.items():
        report = reindex(server.settings(name, **real, milvus=milvus))
        assert (report.rows, report.rejected, report.reused) == (on_lite.rows, on_lite.rejected, on_lite.embedded)
        assert report.load.startswith(milvus["load"])
        found = server.vectors()
        assert found.keys() == held.keys()
        assert all(np.array_equal(found[image_id], vector) for image_id, vector in held.items())
        assert overlap(server, ids, queries, exact) >= (1.0 if name == "exact" else 0.98), name


def neighbours(held: dict[str, np.ndarray]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """All ids, 200 of the vectors as queries, and their scores with every row, (200, n)."""
    ids = sorted(held)
    vectors = np.stack([held[image_id] for image_id in ids])
    chosen = np.random.default_rng(0).choice(len(ids), QUERIES, replace=False)
    return ids, vectors[chosen], vectors[chosen] @ vectors.T


def overlap(shop, ids: list[str], queries: np.ndarray, exact: np.ndarray) -> float:
    """Share of the 10 found that are among the 10 nearest, or score as well as the tenth."""
    least = np.partition(exact, -K, axis=1)[:, -K]
    places = {image_id: place for place, image_id in enumerate(ids)}
    with connect(shop.settings("x").milvus) as store:
        found = [
            hits
            for query in queries
            for hits in store.search(shop.alias, query[None], K, fields=[schema.IMAGE_ID], strong=True)
        ]
    good = [
        exact[number, places[row[schema.IMAGE_ID]]] >= least[number] - TIE
        for number, hits in enumerate(found)
        for _, row in hits
    ]
    return sum(good) / (K * len(queries))
