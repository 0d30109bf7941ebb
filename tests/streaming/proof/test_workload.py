"""The workload holds all that the issue lists; a workload without it would prove nothing of it."""

from itertools import pairwise

import pytest

from tests.streaming.proof import poison
from tests.streaming.proof.expected import ends, pictures, stories
from tests.streaming.proof.pictures import tiny
from tests.streaming.proof.wire import DEAD, PARTLY, Record, Sent, read
from tests.streaming.proof.workload import Shape, immortals, workload
from vitrine.errors import BadRecord
from vitrine.events import decode
from vitrine.testing import FakeEmbedder

SHAPE = Shape(products=120)


@pytest.fixture(scope="module")
def sent() -> list[Sent]:
    return workload(5, SHAPE)


@pytest.fixture(scope="module")
def records(sent) -> list[Record]:
    return [Record(one.key, one.value, one.headers, 0, offset) for offset, one in enumerate(sent)]


def test_equal_seeds_give_equal_records_and_others_do_not(sent):
    assert workload(5, SHAPE) == sent != workload(6, SHAPE)


def test_it_has_every_kind_of_event_and_disorder(records):
    told = stories(records).values()
    lives = [[one.version for one in story] for story in told]
    assert any(story[0].deleted for story in told), "a delete of an unknown product"
    assert any(one.deleted and later.version > one.version for story in told for one in story for later in story)
    assert any(versions != sorted(versions) for versions in lives), "reordered versions"
    assert any(len(set(versions)) < len(versions) for versions in lives), "equal versions and duplicates"
    assert any(a.deleted != b.deleted and a.version == b.version for story in told for a in story for b in story)
    assert any(one.images and not one.pictures for story in told for one in story), "a price change without bytes"
    first = [story[0] for story in told]
    assert any(one.images and not one.pictures for one in first), "a price change before its picture"
    assert any(len(set(one.images)) < len(one.images) for story in told for one in story), "a picture at two positions"
    assert any(_exchanged(story) for story in told), "pictures that change places without bytes"


def _exchanged(story) -> bool:
    return any(
        not b.pictures and a.images != b.images and sorted(a.images) == sorted(b.images) for a in story for b in story
    )


def test_a_relist_comes_with_and_without_bytes(records):
    relisted = [
        later
        for story in stories(records).values()
        for one, later in pairwise(story)
        if one.deleted and not later.deleted and later.version > one.version
    ]
    assert any(set(one.images) == set(one.pictures) for one in relisted)
    assert any(not one.pictures for one in relisted)


def test_all_ends_are_there(records):
    found = ends(records, pictures(records)).values()
    assert any(one.newest.deleted for one in found)
    assert any(one.owed and len(one.owed) == len(one.newest.images) for one in found)
    assert any(not one.newest.deleted and len(one.owed) < len(one.newest.images) for one in found)


def test_every_kind_of_poison_is_there_and_no_more_is_bad(sent):
    labels = [one.label for one in sent]
    assert len(poison.KINDS) >= 12
    assert labels.count(DEAD) + labels.count(PARTLY) >= len(poison.KINDS)
    for one in sent:
        if one.label != DEAD:
            decode(one.key, one.value, one.headers)


@pytest.mark.parametrize("kind", poison.KINDS)
def test_poison_is_what_its_label_says(kind):
    sent = poison.KINDS[kind](7)
    if sent.label == DEAD:
        with pytest.raises(BadRecord):
            decode(sent.key, sent.value, sent.headers)
        return
    listing = decode(sent.key, sent.value, sent.headers)
    (batch,) = FakeEmbedder().embed(listing.pictures.items())
    assert any(batch.rejects) or listing.rejects


def test_immortal_products_are_never_deleted_and_always_come_with_all_their_pictures(sent):
    always = immortals(SHAPE)
    assert always
    for listing in (read(one) for one in sent if one.label != DEAD):
        if listing.product_id in always:
            assert listing.images
            assert set(listing.images) == set(listing.pictures)


def test_pictures_differ_by_their_number_alone():
    assert tiny(3) == tiny(3) != tiny(4)
