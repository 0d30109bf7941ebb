"""What a reindex makes beside the collection: thumbnails, and the measures of its cosines."""

import hashlib
from dataclasses import asdict

import numpy as np
import pytest

from vitrine.errors import BadInput
from vitrine.index import schema
from vitrine.index.store import connect
from vitrine.rendering import draw, jpeg, look
from vitrine.thumbnails import Thumbnails


def hashes(pictures: list[bytes]) -> set[str]:
    return {hashlib.sha256(data).hexdigest() for data in pictures}


def test_thumbnails_are_made_for_new_pictures_and_for_reused_ones_that_have_none(shop, drawn_pictures) -> None:
    shop.write({"product_id": list("abcd"), "image": drawn_pictures[:4]})
    assert shop.run("without").thumbnails == 0
    shop.write({"product_id": list("abcdef"), "image": [*drawn_pictures[2:6], drawn_pictures[2], b"<html>"]})
    thumbs = shop.place / "thumbs"
    Thumbnails(str(thumbs)).put(*hashes(drawn_pictures[3:4]), b"as it was")
    report = shop.run("with", max_reject_ratio=0.5, thumbnails={"uri": str(thumbs), "size": 32})
    assert (report.embedded, report.reused, report.thumbnails) == (2, 3, 3)
    assert {path.stem for path in thumbs.rglob("*.webp")} == hashes(drawn_pictures[2:6])
    with connect(shop.settings("x").milvus) as store:
        named = {str(row[schema.IMAGE_SHA256]) for row in store.scan("products", fields=[schema.IMAGE_SHA256])}
    assert named == hashes(drawn_pictures[2:6])


def test_a_place_for_thumbnails_that_cannot_be_written_is_told_before_any_work(shop, drawn_pictures) -> None:
    (shop.place / "thumbs").write_bytes(b"")
    shop.write({"product_id": ["a"], "image": drawn_pictures[:1]})
    with pytest.raises(BadInput, match=r"set thumbnails\.uri to a writable directory"):
        shop.run("one", thumbnails={"uri": str(shop.place / "thumbs")})
    assert not list(shop.place.glob("work/runs/one/units/*"))


def test_the_collection_says_what_was_measured_of_its_cosines(shop) -> None:
    n = 130
    images = [jpeg(draw(look(number), size=24)) for number in range(n)]
    ids, kinds = [str(number) for number in range(n)], [f"All/{number % 3}" for number in range(n)]
    shop.write({"product_id": ids, "image": images, "category": kinds})
    report = shop.run("one")
    measured = shop.served().facts.calibration
    assert measured is not None
    assert measured.temperature is not None
    assert report.calibration == asdict(measured)
    vectors = np.stack(list(shop.vectors().values()))
    nearest = np.sort(vectors @ vectors.T, axis=1)[:, -2]
    assert measured.stranger == pytest.approx(np.percentile(nearest, 1), abs=1e-4)
