"""What the demo of the stream publishes is what it says."""

from collections import Counter

import pytest

from deploy.uploads import COUNTS, Change, Shop, Stated, changes
from vitrine.errors import BadRecord
from vitrine.events import ListingEvent, decode
from vitrine.images import open_upright
from vitrine.settings import Pictures


@pytest.fixture(scope="module")
def uploads() -> list[Change]:
    products = [Stated(f"P{n}", tuple(b"%d/%d" % (n, k) for k in range(1 + n % 4)), {"title": "T"}) for n in range(80)]
    return changes(Shop(products))


def events(upload: Change) -> list[ListingEvent]:
    return [decode(one.key, one.value, one.headers, timestamp_ms=1).event for one in upload.messages()]


def test_there_are_100_uploads_each_about_a_product_of_its_own(uploads: list[Change]) -> None:
    assert Counter(upload.kind for upload in uploads) == COUNTS
    assert len({upload.product_id for upload in uploads}) == len(uploads) == 100


def test_an_upload_arrives_as_it_was_made_and_is_seen_by_its_rows_alone(uploads: list[Change]) -> None:
    for upload in uploads:
        if upload.kind != "broken":
            last = events(upload)[-1]
            rows = [last.version] * len(last.images)
            assert upload.is_shown_by(rows if last.op == "upsert" else [])
            assert not upload.is_shown_by([1])
            assert not upload.is_shown_by([last.version - 1] * len(last.images) or [last.version])


def test_one_picture_of_three_brings_only_the_bytes_of_the_changed_one(uploads: list[Change]) -> None:
    for upload in uploads:
        if upload.kind == "one picture of three changed":
            (event,) = events(upload)
            assert [image.size_bytes > 0 for image in event.images][:3] == [False, True, False]


def test_each_broken_upload_is_broken_in_its_own_way(uploads: list[Change]) -> None:
    reasons = []
    for upload in uploads:
        if upload.kind == "broken":
            with pytest.raises(BadRecord) as raised:
                usable(upload)
            reasons.append(raised.value.reason)
    assert sorted(reasons) == ["bad_event", "key_mismatch", "no_version", "size_mismatch", "truncated"]


def usable(upload: Change) -> None:
    for one in upload.messages():
        for picture in decode(one.key, one.value, one.headers).pictures.values():
            open_upright(picture, Pictures())
