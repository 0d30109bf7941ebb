"""The whole job on Milvus Lite, with a fake network."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from vitrine.errors import BadInput, GateFailed, VitrineError
from vitrine.index import collections, ledger
from vitrine.index.ledger import LedgerRow
from vitrine.index.store import connect
from vitrine.rendering import draw, look
from vitrine.rendering.broken import BROKEN_PICTURES
from vitrine.testing import FakeEmbedder


def no_embedder() -> FakeEmbedder:
    raise AssertionError("an embedder was made although no picture needs one")


def ids(n: int) -> list[str]:
    return [f"p{number:02}" for number in range(n)]


def mixed(pictures: list[bytes]) -> dict[str, list[object]]:
    """30 products: some with several pictures, one of each broken kind, without pictures, and a stale row."""
    broken = [make(draw(look(1), size=64)) for make in BROKEN_PICTURES.values()]
    images: list[list[bytes | None]] = [[picture] for picture in pictures[:14]]
    images += [[pictures[14], pictures[15]], [pictures[16], pictures[17], pictures[18]], [pictures[19], b"<html>"]]
    images += [[one] for one in broken] + [[], None, [pictures[20]]]
    return {
        "product_id": [*ids(len(images) - 1), "p00"],
        "images": images,
        "version": [2] * (len(images) - 1) + [1],
        "title": [f"Shirt {number}" for number in range(len(images))],
        "category": ["Apparel/Shirts" if number % 2 else "Apparel/Shoes" for number in range(len(images))],
    }


def test_every_row_of_the_catalogue_is_accounted_for(shop, drawn_pictures) -> None:
    columns = mixed(drawn_pictures)
    shop.write(columns)
    report = shop.run("one", max_reject_ratio=0.5)
    rows = sum(max(len(images or ()), 1) for images in columns["images"])
    stated = [(0, picture or b"") for images in columns["images"][:-1] for picture in images or ()]
    usable = sum(len(batch.vectors) for batch in FakeEmbedder().embed(stated))
    assert (report.rows, report.embedded, report.reused, report.duplicates) == (rows, usable, 0, 1)
    assert report.rejected == rows - usable - 1 == sum(report.rejected_by_reason.values()) > 8
    assert report.rejected_by_reason["missing"] == 4
    assert len(shop.vectors()) == usable
    assert (report.collection, report.previous) == ("products__one", None)
    assert shop.served().name == "products__one"


def test_products_that_lack_pictures_stand_in_the_ledger(shop, drawn_pictures) -> None:
    shop.write(mixed(drawn_pictures))
    report = shop.run("one", max_reject_ratio=0.5)
    found = shop.exceptions()
    assert sum(len(row.missing) for row in found) == report.rejected
    assert {row.version for row in found} == {2}
    assert found[0].product_id == "p16"
    assert [(position, reason) for position, _, reason in found[0].missing] == [(1, "unsupported_format")]


def test_report_files_say_what_the_report_says(shop, drawn_pictures) -> None:
    shop.write(mixed(drawn_pictures))
    report = shop.run("one", max_reject_ratio=0.5, report=str(shop.place / "out"))
    assert json.loads((shop.place / "out/report.json").read_text()) == json.loads(json.dumps(report.values()))
    html = (shop.place / "out/report.html").read_text()
    assert html.count("data:image/webp;base64,") > 50
    assert "unsupported_format" in html


def test_too_many_rejects_fail_the_run_and_leave_nothing_behind(shop, drawn_pictures) -> None:
    shop.write({"product_id": ids(8), "image": drawn_pictures[:8]})
    shop.run("good")
    before = shop.collections()
    shop.write({"product_id": ids(9), "image": [*drawn_pictures[:8], b"<html>"]})
    with pytest.raises(GateFailed, match=r"gate rejects failed: 1 of 9 rows were rejected \(unsupported_format 1\)"):
        shop.run("bad")
    assert (shop.collections(), shop.served().name) == (before, "products__good")
    assert shop.run("bad", max_reject_ratio=0.2).rejected == 1


def test_a_second_run_of_an_unchanged_catalogue_builds_no_engine(shop, drawn_pictures) -> None:
    shop.write(mixed(drawn_pictures))
    first = shop.run("one", max_reject_ratio=0.5)
    vectors = shop.vectors()
    second = shop.run("two", no_embedder, max_reject_ratio=0.5)
    assert (second.embedded, second.forward_passes, second.engines) == (0, 0, 0)
    assert second.reused + second.rejected + second.duplicates == second.rows == first.rows
    again = shop.vectors()
    assert vectors.keys() == again.keys()
    assert all(np.array_equal(vectors[key], again[key]) for key in vectors)
    assert (second.previous, shop.served().name) == ("products__one", "products__two")


def test_only_changed_pictures_are_embedded(shop, drawn_pictures, tmp_path) -> None:
    asked = tmp_path / "embedded"

    def make() -> FakeEmbedder:
        class Noting(FakeEmbedder):
            def embed(self, pictures):
                for batch in super().embed(pictures):
                    with asked.open("a") as file:
                        file.writelines(f"{key.picture.product.product_id}\n" for key in batch.keys)
                    yield batch

        return Noting(dim=16)

    images = [picture + bytes([n]) for n in range(4) for picture in drawn_pictures[:50]]
    shop.write({"product_id": [f"p{n:03}" for n in range(200)], "image": images}, rows_per_group=50)
    shop.run("one")
    for changed in (17, 142):
        images[changed] += b"retouched"
    shop.write({"product_id": [f"p{n:03}" for n in range(200)], "image": images}, rows_per_group=50)
    report = shop.run("two", make, gates={"skip": ["canaries"]})
    assert (report.embedded, report.reused) == (2, 198)
    assert sorted(asked.read_text().split()) == ["p017", "p142"]


def failing(after: int, made: Path):
    """A factory whose embedders share `after` pictures between them and then fail."""

    def make() -> FakeEmbedder:
        class Failing(FakeEmbedder):
            def embed(self, pictures):
                for batch in super().embed(pictures):
                    with made.open("a") as file:
                        file.write("x" * len(batch.keys))
                    if made.stat().st_size > after:
                        raise OSError("the card fell off the bus")
                    yield batch

        return Failing(dim=16, batch_size=2)

    return make


def test_an_interrupted_run_goes_on_with_what_is_left(shop, drawn_pictures, tmp_path) -> None:
    shop.write({"product_id": ids(48), "image": drawn_pictures[:48]}, rows_per_group=4)
    with pytest.raises(
        VitrineError, match=r"a Python worker failed: OSError: the card fell off the bus \(test_reindex"
    ):
        shop.run("one", failing(20, tmp_path / "first"))
    assert shop.collections() == []
    report = shop.run("one", failing(1_000, tmp_path / "second"), gates={"skip": ["canaries"]})
    assert (report.rows, report.embedded, len(shop.vectors())) == (48, 48, 48)
    assert 0 < (tmp_path / "second").stat().st_size < 48


def test_a_run_that_lay_while_another_was_served_does_not_take_its_place(shop, drawn_pictures, tmp_path) -> None:
    shop.write({"product_id": ids(8), "image": drawn_pictures[:8]})
    with pytest.raises(VitrineError, match="fell off the bus"):
        shop.run("old", failing(0, tmp_path / "made"))
    shop.run("new")
    with pytest.raises(BadInput, match="run old began before products__new, which products serves now: give another"):
        shop.run("old")
    assert shop.served().name == "products__new"


def test_a_run_is_not_continued_with_another_catalogue_or_model(shop, drawn_pictures, tmp_path) -> None:
    shop.write({"product_id": ids(8), "image": drawn_pictures[:8]})
    with pytest.raises(VitrineError, match="fell off the bus"):
        shop.run("one", failing(0, tmp_path / "made"))
    with pytest.raises(BadInput, match="run one was begun with model_id"):
        shop.run("one", model={"weights": "random:1"})
    shop.write({"product_id": ids(9), "image": drawn_pictures[:9]})
    with pytest.raises(BadInput, match="the catalogue or its columns changed since run one began: give another --run"):
        shop.run("one")
    assert shop.collections() == []


def test_a_finished_run_that_is_served_is_not_done_again(shop, drawn_pictures) -> None:
    shop.write({"product_id": ids(8), "image": drawn_pictures[:8]})
    first = shop.run("one")
    assert shop.run("one", no_embedder).values() == json.loads(json.dumps(first.values()))


def test_a_finished_run_that_is_not_served_any_more_says_so(shop, drawn_pictures) -> None:
    shop.write({"product_id": ids(8), "image": drawn_pictures[:8]})
    shop.run("one")
    later = shop.run("two")
    with pytest.raises(BadInput, match="run one is finished, but products serves products__two: give another --run"):
        shop.run("one", no_embedder)
    assert shop.served().name == later.collection


def test_a_finished_run_does_not_stand_for_another_catalogue(shop, drawn_pictures) -> None:
    shop.write({"product_id": ids(8), "image": drawn_pictures[:8]})
    shop.run("nightly")
    shop.write({"product_id": ids(9), "image": drawn_pictures[:9]})
    with pytest.raises(BadInput, match="changed since run nightly began: give another --run"):
        shop.run("nightly", no_embedder)


def test_a_finished_run_whose_collection_is_gone_is_loaded_again(shop, drawn_pictures) -> None:
    shop.write({"product_id": ids(8), "image": drawn_pictures[:8]})
    shop.run("one")
    again = shop.run("one", no_embedder, milvus={"uri": str(shop.place / "another.db")}, gates={"skip": ["canaries"]})
    assert (again.embedded, again.collection) == (8, "products__one_2")


def test_earlier_collections_stay_for_a_rollback_and_older_ones_go(shop, drawn_pictures) -> None:
    shop.write({"product_id": ids(8), "image": drawn_pictures[:8]})
    for run in ("one", "two", "three"):
        report = shop.run(run)
    assert (report.previous, report.retired) == ("products__two", ["products_ledger__one", "products__one"])
    kept = ["products__three", "products__two", "products_ledger__three", "products_ledger__two"]
    assert shop.collections() == kept
    with connect(shop.settings("x").milvus) as store:
        assert collections.rollback(store, "products").name == "products__two"


def test_a_deleted_product_stays_deleted_until_a_higher_version(shop, drawn_pictures) -> None:
    columns = {"product_id": ["a", "b"], "image": drawn_pictures[:2], "version": [5, 5]}
    shop.write(columns)
    shop.run("one")
    with connect(shop.settings("x").milvus) as store:
        ledger.write(
            store, shop_ledger := collections.current(store, "products").ledger, [LedgerRow("a", 5, deleted=True)]
        )
        assert shop_ledger == "products_ledger__one"
    second = shop.run("two")
    assert (second.rows, second.reused, second.duplicates) == (2, 1, 1)
    assert (set(shop.vectors()), shop.exceptions()) == ({"b/0"}, [LedgerRow("a", 5, deleted=True)])
    shop.write({**columns, "version": [6, 5]})
    third = shop.run("three")
    assert (third.reused, third.duplicates) == (2, 0)
    assert (set(shop.vectors()), shop.exceptions()) == ({"a/0", "b/0"}, [])


def test_pictures_that_cannot_be_reached_keep_what_is_served(shop, drawn_pictures, put_out_of_reach) -> None:
    places = [shop.place / f"{number}.jpg" for number in range(6)]
    for place, picture in zip(places, drawn_pictures, strict=False):
        place.write_bytes(picture)
    allowed = {"prefixes": [str(shop.place), "/proc"]}
    shop.write({"product_id": ids(6), "image_uri": [str(place) for place in places]})
    shop.run("one", pictures=allowed)
    before = shop.vectors()
    never_seen = shop.place / "never.jpg"
    for place in (places[2], never_seen):
        put_out_of_reach(place)
    shop.write({"product_id": ids(7), "image_uri": [str(place) for place in (*places, never_seen)]})
    report = shop.run("two", no_embedder, pictures=allowed, max_reject_ratio=0.2)
    assert (report.rows, report.reused, report.rejected) == (7, 6, 1)
    assert report.rejected_by_reason == {"fetch_failed": 1}
    after = shop.vectors()
    assert before.keys() == after.keys()
    assert np.array_equal(after["p02/0"], before["p02/0"])
    assert [row.product_id for row in shop.exceptions()] == ["p06"]


def test_another_model_needs_a_word_and_then_keeps_nothing_of_the_old_one(
    shop, drawn_pictures, put_out_of_reach
) -> None:
    place = shop.place / "a.jpg"
    place.write_bytes(drawn_pictures[0])
    allowed = {"prefixes": [str(shop.place), "/proc"]}
    shop.write({"product_id": ["a"], "image_uri": [str(place)]})
    shop.run("one", pictures=allowed)
    other = {"weights": "random:1"}
    with pytest.raises(BadInput, match=r"alias products serves products__one of model .* pass --model\.change=true"):
        shop.run("two", pictures=allowed, model=other)
    put_out_of_reach(place)
    with pytest.raises(GateFailed, match="fetch_failed 1"):
        shop.run("three", pictures=allowed, model={**other, "change": True})
    place.unlink()
    place.write_bytes(drawn_pictures[0])
    changed = shop.run("four", partial(FakeEmbedder, dim=16), pictures=allowed, model={**other, "change": True})
    assert (changed.embedded, shop.served().facts.model_id) == (1, changed.model_id)
