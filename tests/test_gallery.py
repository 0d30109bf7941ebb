"""What a person looks at."""

import io

import pytest
from PIL import Image

from vitrine import gallery
from vitrine.gallery import Answer
from vitrine.index import load, schema
from vitrine.index.search import Hit
from vitrine.samples import Drawn
from vitrine.settings import Pictures
from vitrine.testing import MemoryStore


@pytest.fixture
def loaded(small_run, drawn_pictures):
    """Six products of two pictures each in a store, and the staged files."""
    images = [drawn_pictures[2 * number : 2 * number + 2] for number in range(6)]
    columns = {"product_id": list("abcdef"), "images": images, "category": ["Apparel/Shirts"] * 6}
    small = small_run(columns, rows_per_group=2)
    files = [small.run.file(one.rows_file) for one in small.done]
    store = MemoryStore()
    store.create("new", schema.pictures(16), description="")
    load.load_rows(store, "new", files, insert_bytes=10**6)
    return store, files


def test_an_answer_names_other_products_each_once_best_first(loaded) -> None:
    store, files = loaded
    found = gallery.answers(store, "new", files, 99)
    assert sorted(answer.image_id for answer in found) == sorted(f"{p}/{n}" for p in "abcdef" for n in range(2))
    for answer in found:
        others = [hit.product_id for hit in answer.hits]
        assert sorted(others) == sorted(set("abcdef") - {answer.image_id[0]})
        scores = [hit.score for hit in answer.hits]
        assert scores == sorted(scores, reverse=True)


def test_the_same_queries_are_drawn_again(loaded) -> None:
    store, files = loaded
    first = [answer.image_id for answer in gallery.answers(store, "new", files, 4)]
    assert first == [answer.image_id for answer in gallery.answers(store, "new", files, 4)]
    assert len(set(first)) == 4


def hit(category: str, image_id: str = "h/0") -> Hit:
    return Hit(image_id.split("/", maxsplit=1)[0], image_id, 0.5, 1, "a hit", category, "", 1.0, True, {}, "", "")


def answer(category: str, *categories: str) -> Answer:
    return Answer("q/0", "a query", category, tuple(hit(one) for one in categories))


def test_the_share_counts_the_last_level_beside_that_of_random_order() -> None:
    found = [answer("A/Shirts", "B/Shirts", "A/Shoes"), answer("A/Shoes", "A/Shoes", "A/Shoes"), answer("X/Shoes")]
    assert gallery.share_of_same_category(found) == (0.75, pytest.approx(1 / 3))


@pytest.mark.parametrize(
    "found", [[], [answer("", "")], [answer("A", "A"), answer("A", "A")], [answer("A"), answer("B")]]
)
def test_without_two_categories_or_neighbours_there_is_no_share(found) -> None:
    assert gallery.share_of_same_category(found) is None


def test_tiles_show_the_pictures_that_are_at_hand(drawn_pictures) -> None:
    found = [Answer("q/0", "", "A/Shirts", (hit("A/Shoes"),))]
    assert gallery.pictures_of(found) == {"q/0", "h/0"}
    (row,) = gallery.gallery(found, {"h/0": drawn_pictures[0]}, Pictures())
    assert (row.query.caption, row.query.note, row.query.picture) == ("q/0", "Shirts", None)
    assert (row.found[0].caption, row.found[0].note, row.found[0].score) == ("a hit", "Shoes", 0.5)
    assert Image.open(io.BytesIO(row.found[0].picture)).size == (64, 64)


@pytest.mark.parametrize("reason", ["decoder_crash", "decode_timeout"])
def test_a_picture_that_kills_decoders_is_not_opened_to_be_shown(drawn_pictures, reason: str) -> None:
    drawn = [Drawn("a/0", "rejected", why, "", "", "000000", "a.parquet", 0, 0) for why in (reason, "no_vector")]
    deadly, harmless = gallery.rejects(drawn, {"a/0": drawn_pictures[0]}, Pictures())
    assert deadly.picture is None
    assert harmless.picture is not None


def test_a_reject_is_shown_with_its_reason_even_where_it_cannot_be_drawn() -> None:
    drawn = [Drawn("a/0", "rejected", "corrupt", "no end", "", "000000", "a.parquet", 0, 0)]
    (tile,) = gallery.rejects(drawn, {"a/0": b"<html>"}, Pictures())
    assert (tile.picture, tile.caption, tile.note) == (None, "a/0", "corrupt: no end")
