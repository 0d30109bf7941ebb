import json
from collections.abc import Sequence
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.errors import BadRecord
from vitrine.events import ImageRef, ListingEvent, carried, decode, encode, schema, sha256
from vitrine.events.wire import EVENT_HEADER, VERSION_HEADER
from vitrine.product import UNKNOWN_PRICE, Product, Reason

INT64 = st.integers(-(2**63), 2**63 - 1)
IDS = st.text(min_size=1, max_size=60)
ADDRESSES = st.builds(ImageRef, image_uri=st.text(min_size=1, max_size=30), sha256=st.none() | st.just("ab" * 32))
EARLIER = st.builds(ImageRef, sha256=st.binary(max_size=2).map(sha256))
PICTURES = st.lists(st.binary(min_size=1, max_size=40), max_size=4)


@st.composite
def stated(draw: st.DrawFn) -> tuple[ListingEvent, list[bytes]]:
    """An event, and the pictures that its record carries."""
    pictures = draw(PICTURES)
    images = [*carried(pictures), *draw(st.lists(ADDRESSES | EARLIER, max_size=3))]
    event = ListingEvent(
        op=draw(st.sampled_from(["upsert", "delete"])),
        product_id=draw(IDS),
        version=draw(INT64),
        event_us=draw(INT64.filter(bool)),
        title=draw(st.text(max_size=20)),
        category=draw(st.text(max_size=20)),
        brand=draw(st.text(max_size=20)),
        price=draw(st.floats(0, allow_infinity=False) | st.just(UNKNOWN_PRICE)),
        in_stock=draw(st.booleans()),
        attributes=draw(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3)),
        images=tuple(draw(st.permutations(images))),
    )
    return event, pictures


def by_hash(pictures: Sequence[bytes]) -> dict[str, bytes]:
    return {sha256(data): data for data in pictures}


def saying(**fields: Any) -> bytes:
    """An event of product `a` as JSON; a field that is `...` is left out."""
    event = {"op": "upsert", "product_id": "a", "version": 1, **fields}
    return json.dumps({name: value for name, value in event.items() if value is not ...}).encode()


def outcome(
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]] = ()
) -> ListingEvent | Reason:
    try:
        return decode(key, value, headers).event
    except BadRecord as error:
        return Reason(error.reason)


@given(stated())
def test_an_event_comes_back_as_it_was_sent_with_its_pictures(sent: tuple[ListingEvent, list[bytes]]) -> None:
    event, pictures = sent
    message = encode(event, by_hash(pictures))
    came = decode(message.key, message.value, message.headers)
    assert came.event == event
    assert came.pictures == by_hash(pictures)
    assert not came.rejects


@given(stated())
def test_what_is_sent_fits_the_published_schema(sent: tuple[ListingEvent, list[bytes]]) -> None:
    event, pictures = sent
    headers = dict(encode(event, by_hash(pictures)).headers)
    jsonschema.validate(json.loads(headers[EVENT_HEADER]), json.loads(schema.FILE.read_text("utf-8")))


def test_the_published_schema_is_that_of_the_code() -> None:
    assert schema.FILE.read_text("utf-8") == schema.text(), "python -m vitrine.events writes it anew"


@given(
    key=st.none() | st.binary(max_size=20),
    value=st.none() | st.binary(max_size=60),
    headers=st.lists(
        st.tuples(
            st.sampled_from([EVENT_HEADER, VERSION_HEADER, "other"]),
            st.none()
            | st.binary(max_size=60)
            | st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode),
        ),
        max_size=3,
    ),
)
def test_any_record_is_an_event_or_a_bad_record(key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> None:
    assert isinstance(outcome(key, value, headers), ListingEvent | Reason)


FIELDS = st.sampled_from([*ListingEvent.model_fields, "sha256", "size_bytes", "image_uri"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=3),
)


@given(st.dictionaries(FIELDS, JSON, max_size=4))
def test_any_json_is_an_event_or_a_bad_record(fields: dict[str, Any]) -> None:
    assert isinstance(outcome(b"a", saying(**fields)), ListingEvent | Reason)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (b"a", b"", Reason.BAD_EVENT),
        (b"a", b"{", Reason.BAD_EVENT),
        (b"a", b"[" * 100_000, Reason.BAD_EVENT),
        (b"a", b"null", Reason.BAD_EVENT),
        (b"a", b"\xff\xfe", Reason.BAD_EVENT),
        (b"a", saying(title=7), Reason.BAD_EVENT),
        (b"a", saying(version="1"), Reason.BAD_EVENT),
        (b"a", saying(version=2**63), Reason.BAD_EVENT),
        (b"a", saying(version=True), Reason.BAD_EVENT),
        (b"a", saying(price="7"), Reason.BAD_EVENT),
        (b"a", saying(images=[{}]), Reason.BAD_EVENT),
        (b"a", saying(images=[{"sha256": "AB" * 32}]), Reason.BAD_EVENT),
        (b"a", saying(images=[{"sha256": "ab" * 32, "size_bytes": -1}]), Reason.BAD_EVENT),
        (b"a", saying(images=[{"image_uri": "x", "sha256": "ab" * 32, "size_bytes": 1}]), Reason.BAD_EVENT),
        (b"a", saying(version=...), Reason.NO_VERSION),
        (b"a", saying(version=None), Reason.NO_VERSION),
        (b"a", saying(op="patch"), Reason.UNKNOWN_OP),
        (b"a", saying(op=...), Reason.BAD_EVENT),
        (b"a", saying(schema_version=2, images="whatever it is by then"), Reason.UNKNOWN_SCHEMA),
        (b"", saying(product_id=""), Reason.NO_ID),
        (b"a", saying(product_id=...), Reason.NO_ID),
        (b"a" * 257, saying(product_id="a" * 257), Reason.ID_TOO_LONG),
        ("é".encode() * 129, saying(product_id="é" * 129), Reason.ID_TOO_LONG),
        (b"b", saying(), Reason.KEY_MISMATCH),
        (None, saying(), Reason.KEY_MISMATCH),
        (b"a", saying(images=[{"sha256": "ab" * 32, "size_bytes": 1}]), Reason.SIZE_MISMATCH),
    ],
)
def test_a_record_that_is_no_event_says_why(key: bytes | None, value: bytes, reason: Reason) -> None:
    with pytest.raises(BadRecord) as raised:
        decode(key, value)
    assert raised.value.reason == reason
    assert raised.value.detail


@pytest.mark.parametrize("value", [b"x", b"xyz"])
def test_a_record_with_fewer_or_more_bytes_than_its_pictures_have_is_refused(value: bytes) -> None:
    event = encode(ListingEvent(op="upsert", product_id="a", version=1, images=carried([b"xy"])), by_hash([b"xy"]))
    with pytest.raises(BadRecord, match="size_mismatch"):
        decode(b"a", value, event.headers)


def test_a_null_value_deletes_at_the_version_of_the_header() -> None:
    came = decode(b"a", None, [(VERSION_HEADER, b"-7")], timestamp_ms=12).event
    assert came == ListingEvent(op="delete", product_id="a", version=-7, event_us=12_000)


@pytest.mark.parametrize("version", [None, b"", b"seven", b"1.0", b"- 1", b"9" * 5_000, b"\xb2"])
def test_a_null_value_without_a_version_is_refused(version: bytes | None) -> None:
    with pytest.raises(BadRecord) as raised:
        decode(b"a", None, [(VERSION_HEADER, version)])
    assert raised.value.reason in (Reason.NO_VERSION, Reason.BAD_EVENT)


@pytest.mark.parametrize(
    ("key", "reason"), [(None, "no_id"), (b"", "no_id"), (b"\xff", "no_id"), (b"a" * 257, "id_too")]
)
def test_a_null_value_needs_a_key_that_can_be_a_product(key: bytes | None, reason: str) -> None:
    with pytest.raises(BadRecord, match=reason):
        decode(key, None, [(VERSION_HEADER, b"1")])


def test_null_fields_count_as_not_stated_and_unknown_ones_as_not_there() -> None:
    value = saying(title=None, price=None, images=[{"image_uri": "x", "sha256": None, "depth": 3}], seller="s")
    assert decode(b"a", value, timestamp_ms=1).event == ListingEvent(
        op="upsert", product_id="a", version=1, event_us=1_000, images=(ImageRef(image_uri="x"),)
    )


@pytest.mark.parametrize("price", [-0.01, float("nan"), float("inf"), -float("inf")])
def test_a_price_that_is_none_is_unknown(price: float) -> None:
    assert decode(b"a", saying(price=price)).event.price == UNKNOWN_PRICE


def test_bytes_that_are_not_those_declared_are_told_and_kept_by_their_own_hash() -> None:
    images = (ImageRef(sha256=sha256(b"x"), size_bytes=2), *carried([b"z"]))
    event = ListingEvent(op="upsert", product_id="a", version=1, images=images)
    header = (EVENT_HEADER, event.model_dump_json().encode())
    came = decode(b"a", b"xyz", [header])
    assert came.pictures == by_hash([b"xy", b"z"])
    assert {position: reject.reason for position, reject in came.rejects.items()} == {0: Reason.HASH_MISMATCH}


def test_a_picture_that_is_there_twice_is_sent_once() -> None:
    event = ListingEvent(op="upsert", product_id="a", version=1, images=carried([b"xy", b"z", b"xy"]))
    assert encode(event, by_hash([b"xy", b"z"])).value == b"xyz"


@pytest.mark.parametrize("pictures", [{}, {sha256(b"xy"): b"x"}])
def test_an_event_is_not_sent_without_its_bytes(pictures: dict[str, bytes]) -> None:
    event = ListingEvent(op="upsert", product_id="a", version=1, images=carried([b"xy"]))
    with pytest.raises(ValueError, match="the event says 2"):
        encode(event, pictures)


def test_the_record_s_time_counts_where_the_event_has_none() -> None:
    assert decode(b"a", saying(), timestamp_ms=5).event.event_us == 5_000
    assert decode(b"a", saying(event_us=7), timestamp_ms=5).event.event_us == 7


def test_an_event_states_a_product() -> None:
    event = decode(b"a", saying(title="Mug", price=3, in_stock=False, attributes={"x": "y"})).event
    assert event.product() == Product("a", 1, "Mug", price=3.0, in_stock=False, attributes={"x": "y"})
