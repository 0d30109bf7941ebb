"""Thumbnails that a unit makes beside its vectors."""

import hashlib
from dataclasses import replace

import pytest

from vitrine.manifest import Manifest
from vitrine.settings import Thumbnails as Wanted
from vitrine.testing import FakeEmbedder
from vitrine.thumbnails import Thumbnails
from vitrine.unit import KNOWN_THUMBNAILS, run_unit


@pytest.fixture
def thumbnails(tmp_path) -> Thumbnails:
    return Thumbnails(str(tmp_path / "thumbs"), 32)


@pytest.fixture
def again(thumbnails, tmp_path):
    """Do the first unit of a run again, with thumbnails; the embedder is a fake."""

    def run(small, make_embedder=lambda: FakeEmbedder(dim=16)) -> Manifest:
        thumbnails.write_known(small.run.place, KNOWN_THUMBNAILS)
        job = replace(small.job, thumbnails=Wanted(uri=str(tmp_path / "thumbs"), size=32))
        return run_unit(small.plan.units[0], job, make_embedder)

    return run


def hashed(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_pictures_with_a_vector_have_thumbnails_and_others_have_none(
    small_run, drawn_pictures, again, thumbnails
) -> None:
    images = [drawn_pictures[0], b"<html>", drawn_pictures[1], drawn_pictures[1], drawn_pictures[2][:300]]
    small = small_run({"product_id": list("abcde"), "image": images})
    assert small.done[0].thumbnails == 0
    done = again(small)
    assert (done.thumbnails, done.embedded, done.rejected) == (2, 3, 2)
    missing = [thumbnails.missing(hashed(data)) for data in images]
    assert missing == [False, True, False, False, True]


def test_a_picture_whose_vector_is_known_gets_its_thumbnail_without_an_engine(
    small_run, drawn_pictures, again, thumbnails
) -> None:
    columns = {"product_id": ["a", "b"], "image": drawn_pictures[:2]}
    small_run(columns)
    known = small_run(columns, "b")
    assert known.done[0].reused == 2

    def no_embedder() -> FakeEmbedder:
        raise AssertionError("an embedder was made although no picture needs one")

    assert again(known, no_embedder).thumbnails == 2
    assert again(known, no_embedder).thumbnails == 0
    assert not thumbnails.missing(hashed(drawn_pictures[1]))


def test_a_thumbnail_that_is_there_is_not_made_again(small_run, drawn_pictures, again, thumbnails) -> None:
    thumbnails.put(hashed(drawn_pictures[0]), b"as it was")
    done = again(small_run({"product_id": ["a", "b"], "image": drawn_pictures[:2]}))
    assert done.thumbnails == 1
    assert thumbnails.read(hashed(drawn_pictures[0])) == b"as it was"


def test_a_place_that_cannot_be_written_fails_the_unit(small_run, drawn_pictures, again, tmp_path) -> None:
    small = small_run({"product_id": ["a"], "image": drawn_pictures[:1]})
    small.run.place.write(KNOWN_THUMBNAILS, b"")
    (tmp_path / "thumbs").write_bytes(b"")
    job = replace(small.job, thumbnails=Wanted(uri=str(tmp_path / "thumbs")))
    with pytest.raises(OSError, match="thumbs"):
        run_unit(small.plan.units[0], job, lambda: FakeEmbedder(dim=16))
    assert not small.run.place.exists("attempts/000000")


def test_what_is_refused_by_its_header_reaches_no_maker(small_run, again) -> None:
    done = again(small_run({"product_id": ["a"], "image": [b"<html>"]}))
    assert (done.rejected, done.thumbnails) == (1, 0)
