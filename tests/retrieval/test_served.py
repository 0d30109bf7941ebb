"""A collection that is served already, as a gallery."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.retrieval.builders import directions, picture
from vitrine.embedding import Vectors
from vitrine.errors import BadInput
from vitrine.fetch import Fetcher
from vitrine.index import collections, rows, schema
from vitrine.index.collections import Facts
from vitrine.index.store import Found, Store
from vitrine.product import Product
from vitrine.retrieval import served
from vitrine.settings import Pictures
from vitrine.testing import MemoryStore
from vitrine.thumbnails import Thumbnails

SHA256 = "ab" * 32


def shop(store: Store, vectors: Vectors, *, uri: str = "", category: str = "A/B") -> None:
    """Serve a product for each vector; every other one has a colour."""
    facts = Facts(alias="products", run="a", model_id="0123456789ab", dim=vectors.shape[1], as_of="2026-11-21")
    made = collections.create(store, facts)
    for n, vector in enumerate(vectors):
        attributes = {"colour": "red"} if n % 2 else {}
        product = Product(f"p{n}", version=1, title=f"Title {n}", category=category, attributes=attributes)
        row, _ = rows.row(product, 0, sha256=SHA256, uri=uri, event_us=0, indexed_us=0)
        store.insert(made.name, [{**row, schema.VECTOR: vector}])
    store.prepare(made.name)
    collections.swap(store, "products", made.name)


class ForgetfulStore(MemoryStore):
    """A store whose index never finds the best row."""

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
        return [hits[1:] for hits in super().search(collection, vectors, limit + 1, fields=fields, matching=matching)]


def test_the_gallery_is_what_the_alias_serves_with_labels_and_unit_vectors() -> None:
    store = MemoryStore()
    shop(store, 3 * directions(0, 90, 180))
    found = served.read(store, "products")
    assert (found.model_id, found.collection) == ("0123456789ab", "products__a")
    assert np.linalg.norm(found.vectors, axis=1) == pytest.approx(1)
    cards = found.cards(["category", "colour", "category+colour"])
    assert [one.product_id for one in cards] == ["p0", "p1", "p2"]
    assert [one.labels for one in cards[:2]] == [("A/B", "", ""), ("A/B", "red", "A/B red")]


def test_a_label_that_no_row_has_is_named() -> None:
    store = MemoryStore()
    shop(store, directions(0, 90))
    with pytest.raises(BadInput, match="no row of collection products__a says material: set --label"):
        served.read(store, "products").cards(["category", "material"])


@pytest.mark.parametrize(("vectors", "told"), [(None, "alias products serves nothing"), (directions(), "is empty")])
def test_nothing_to_search_is_said(vectors: Vectors | None, told: str) -> None:
    store = MemoryStore()
    if vectors is not None:
        shop(store, vectors.reshape(0, 2))
    with pytest.raises(BadInput, match=told):
        served.read(store, "products")


def test_index_recall_is_the_share_of_exact_neighbours_that_the_index_finds() -> None:
    dice = np.random.default_rng(4)
    vectors, queries = (dice.standard_normal((n, 8)).astype(np.float32) for n in (40, 5))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    for store, share in ((MemoryStore(), 1.0), (ForgetfulStore(), 0.9)):
        shop(store, vectors)
        assert served.read(store, "products").index_recall(queries) == pytest.approx(share)


def test_a_row_as_near_as_the_tenth_counts_as_found() -> None:
    store = MemoryStore()
    shop(store, np.repeat(directions(10), 30, axis=0))
    assert served.read(store, "products").index_recall(directions(0, 45)) == 1


def test_fewer_rows_than_ten_are_all_to_be_found() -> None:
    store = MemoryStore()
    shop(store, directions(0, 90, 180))
    assert served.read(store, "products").index_recall(directions(1)) == 1


def test_pictures_are_thumbnails_else_from_their_address_as_far_as_allowed(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(picture(0))
    store = MemoryStore()
    shop(store, directions(0, 90), uri=str(tmp_path / "photo.jpg"))
    there, thumbnails = served.read(store, "products"), Thumbnails(str(tmp_path / "thumbs"))
    forbidden, allowed = Fetcher(Pictures()), Fetcher(Pictures(prefixes=[str(tmp_path)]))
    assert served.Shown(there, None, forbidden).read(0) is None
    assert served.Shown(there, thumbnails, allowed).read(0) == picture(0)
    thumbnails.put(SHA256, b"small")
    assert served.Shown(there, thumbnails, forbidden).read(0) == b"small"
