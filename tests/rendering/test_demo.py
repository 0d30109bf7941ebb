"""The demo catalogue, as a reader of Parquet and pictures sees it."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrine.errors import BadRecord
from vitrine.images import open_upright
from vitrine.product import MAX_PRODUCT_ID_BYTES, Reason, check_product_id
from vitrine.rendering import DemoCatalog, draw, look, write_demo_catalog
from vitrine.rendering.broken import BROKEN_PICTURES
from vitrine.settings import Pictures


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoCatalog:
    return write_demo_catalog(tmp_path_factory.mktemp("demo"), products=120)


@pytest.fixture(scope="module")
def table(demo: DemoCatalog) -> pa.Table:
    return pq.read_table(demo.path)


def refusal(product_id: str, picture: bytes | None) -> Reason | None:
    """Why this picture cannot be used, or None."""
    try:
        check_product_id(product_id)
        open_upright(picture or b"", Pictures())
    except BadRecord as error:
        return Reason(error.reason)
    return None


def refusals(table: pa.Table) -> list[Reason | None]:
    """One for each picture, and one for a product without any."""
    products = zip(table["product_id"].to_pylist(), table["images"].to_pylist(), strict=True)
    return [refusal(product_id, picture) for product_id, pictures in products for picture in pictures or [None]]


def test_every_row_is_a_usable_picture_or_a_broken_one(demo, table):
    reasons = refusals(table)
    assert demo.products == len(table) == 120
    assert demo.pictures == reasons.count(None)
    assert demo.broken == len(reasons) - demo.pictures == 12


def test_the_broken_ones_are_of_many_reasons(table):
    broken = {reason for reason in refusals(table) if reason}
    unsupported = {Reason.MISSING, Reason.UNSUPPORTED_FORMAT, Reason.TOO_MANY_PIXELS}
    assert broken == {*unsupported, Reason.TRUNCATED, Reason.CORRUPT, Reason.ID_TOO_LONG}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("truncated JPEG", Reason.TRUNCATED),
        ("no bytes", Reason.MISSING),
        ("HTML error page", Reason.UNSUPPORTED_FORMAT),
        ("corrupt PNG", Reason.CORRUPT),
        ("too many pixels", Reason.TOO_MANY_PIXELS),
        ("PDF", Reason.UNSUPPORTED_FORMAT),
        ("null", Reason.MISSING),
        ("half a GIF", Reason.TRUNCATED),
        ("zeros", Reason.UNSUPPORTED_FORMAT),
        ("SVG", Reason.UNSUPPORTED_FORMAT),
    ],
)
def test_a_broken_picture_is_refused_for_its_reason(kind, reason):
    assert refusal("P1", BROKEN_PICTURES[kind](draw(look(3)))) is reason


def test_one_product_has_no_pictures_and_one_an_id_that_is_too_long(table):
    assert table["images"].to_pylist().count([]) == 1
    assert max(len(product_id) for product_id in table["product_id"].to_pylist()) == MAX_PRODUCT_ID_BYTES + 1


def test_products_have_one_to_four_pictures(table):
    assert {len(pictures) for pictures in table["images"].to_pylist()} == {0, 1, 2, 3, 4}


def test_titles_are_english_or_chinese_or_both(table):
    scripts = [
        (bool(re.search("[a-z]{3}", title)), bool(re.search("[\u4e00-\u9fff]", title)))
        for title in table["title"].to_pylist()
    ]
    assert {script: scripts.count(script) for script in set(scripts)} == {
        (True, False): 72,
        (False, True): 36,
        (True, True): 12,
    }


def test_queries_are_new_views_of_usable_products(demo, table):
    pictures = dict(zip(table["product_id"].to_pylist(), table["images"].to_pylist(), strict=True))
    assert len({product_id for product_id, _ in demo.queries}) == 3
    for product_id, query in demo.queries:
        assert refusal(product_id, query) is None
        assert all(refusal(product_id, picture) is None for picture in pictures[product_id])
        assert query not in {picture for several in pictures.values() for picture in several}


def test_row_groups_are_small_and_pictures_not_compressed_again(demo):
    metadata = pq.ParquetFile(demo.path).metadata
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [100, 20]
    columns = {groups[0].column(i).path_in_schema: groups[0].column(i) for i in range(metadata.num_columns)}
    assert columns["images.list.element"].compression == "UNCOMPRESSED"
    assert not columns["images.list.element"].has_dictionary_page
    assert columns["title"].compression == "ZSTD"


def test_the_same_seed_writes_the_same_catalogue_and_another_seed_another(tmp_path: Path):
    first, second, other = (
        write_demo_catalog(tmp_path / name, products=8, broken=2, seed=seed)
        for name, seed in (("first", 1), ("second", 1), ("other", 2))
    )
    assert pq.read_table(first.path).equals(pq.read_table(second.path))
    assert first.queries == second.queries
    assert not pq.read_table(first.path).equals(pq.read_table(other.path))


def test_a_catalogue_without_broken_ones_has_none(tmp_path: Path):
    demo = write_demo_catalog(tmp_path, products=4, broken=0)
    assert refusals(pq.read_table(demo.path)) == [None] * demo.pictures
    assert demo.broken == 0
