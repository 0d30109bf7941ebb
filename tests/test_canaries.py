"""Vectors had a second time."""

import numpy as np
import pytest

from vitrine.canaries import Drawing
from vitrine.embedding import Batch
from vitrine.errors import GateFailed
from vitrine.product import Reason, Reject
from vitrine.settings import Pictures
from vitrine.testing import FakeEmbedder


def make() -> FakeEmbedder:
    return FakeEmbedder(dim=16)


def never() -> FakeEmbedder:
    raise AssertionError("an embedder was made")


@pytest.fixture
def ten(small_run, drawn_pictures):
    return small_run({"product_id": list("abcdefghij"), "image": drawn_pictures[:10]})


def test_pictures_are_embedded_again_each_alone(ten, drawn_pictures) -> None:
    embedder = make()
    found = Drawing(ten.run, ten.done, 4).embedded_again(ten.plan, Pictures(), lambda: embedder)
    assert (len(found), embedder.forward_passes) == (4, 4)
    for image_id, vector in found.items():
        (alone,) = make().embed([(0, drawn_pictures["abcdefghij".index(image_id[0])])])
        assert vector.tolist() == alone.vectors[0].tolist()


def test_a_picture_that_is_another_one_by_now_is_left_out(small_run, drawn_pictures, tmp_path) -> None:
    places = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for place, picture in zip(places, drawn_pictures, strict=False):
        place.write_bytes(picture)
    limits = Pictures(prefixes=[str(tmp_path)])
    columns = {"product_id": ["a", "b"], "image_uri": [str(place) for place in places]}
    small = small_run(columns, pictures=limits)
    drawing = Drawing(small.run, small.done, 9)
    places[0].write_bytes(drawn_pictures[7])
    assert set(drawing.embedded_again(small.plan, limits, make)) == {"b/0"}
    places[1].unlink()
    assert drawing.embedded_again(small.plan, limits, never) == {}


def test_a_picture_that_is_refused_now_fails_the_gate(ten) -> None:
    class Refusing(FakeEmbedder):
        def embed(self, pictures):
            for key, _ in pictures:
                yield Batch((key,), (Reject(Reason.CORRUPT, "today"),), np.empty((0, 16), np.float32))

    with pytest.raises(GateFailed, match=r"gate canaries failed: ./0, embedded again, is rejected: corrupt today"):
        Drawing(ten.run, ten.done, 3).embedded_again(ten.plan, Pictures(), lambda: Refusing(dim=16))


def test_without_embedded_pictures_no_embedder_is_made(small_run, ten) -> None:
    again = small_run(None, "b", make_embedder=never)
    drawing = Drawing(again.run, again.done, 4)
    assert drawing.embedded_again(again.plan, Pictures(), never) == {}


def test_reused_pictures_have_what_the_store_has(small_run, ten, drawn_pictures) -> None:
    again = small_run(None, "b", make_embedder=never)
    found = Drawing(again.run, again.done, 4).stored(again.features)
    assert len(found) == 4
    for image_id, vector in found.items():
        (alone,) = make().embed([(0, drawn_pictures["abcdefghij".index(image_id[0])])])
        assert vector.tolist() == alone.vectors[0].tolist()
