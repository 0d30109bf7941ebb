from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.errors import BadRecord
from vitrine.events import DeadLetter, Message, Origin, bury, emptied, exhume
from vitrine.events.dead_letter import HEADERS_BYTES
from vitrine.product import Reason

NAMES = st.text(max_size=10).filter(lambda name: not name.startswith("x-dlq."))
MESSAGES = st.builds(
    Message,
    key=st.none() | st.binary(max_size=5),
    value=st.none() | st.binary(max_size=5),
    headers=st.lists(st.tuples(NAMES, st.binary(max_size=5)), max_size=4).map(tuple),
)
LETTERS = st.builds(
    DeadLetter,
    message=MESSAGES,
    origin=st.builds(Origin, st.just("listings"), st.integers(0, 99), st.integers(0), st.integers(0)),
    reason=st.sampled_from(Reason),
    detail=st.text(max_size=50).map(lambda text: " ".join(text.split())),
    stage=st.sampled_from(["decode", "fetch", "embed"]),
    failed_us=st.integers(0, 2**52),
    view=st.just("products__a"),
    model_id=st.just("0123456789ab"),
    left_out_bytes=st.integers(0, 2**40),
)


@given(LETTERS)
def test_a_dead_letter_comes_back_with_its_record_reason_and_origin(letter: DeadLetter) -> None:
    message = bury(letter)
    assert exhume(message.key, message.value, message.headers) == letter


@given(LETTERS)
def test_a_dead_letter_holds_the_record_as_it_came(letter: DeadLetter) -> None:
    message = bury(letter)
    assert message.key == letter.message.key
    assert (message.value or None) == (letter.message.value or None)
    assert message.headers[: len(letter.message.headers)] == letter.message.headers


def test_a_record_without_key_and_value_can_be_sent_as_a_dead_letter() -> None:
    letter = DeadLetter(Message(None, None), Origin("listings", 0, 1), Reason.NO_ID, "", "decode", 0)
    assert bury(letter).value == b""


def test_a_record_of_the_dead_letter_topic_that_is_none_is_refused() -> None:
    with pytest.raises(BadRecord, match=r"bad_event: no dead letter: header x-dlq\."):
        exhume(b"a", b"", [("x-dlq.topic", b"listings")])


def test_no_header_of_a_record_can_forge_where_it_came_from() -> None:
    forged = Message(b"a", b"", (("x-dlq.offset", b"99"), ("own", b"1")))
    message = bury(DeadLetter(forged, Origin("listings", 0, 1), Reason.NO_ID, "", "decode", 0))
    found = exhume(message.key, message.value, message.headers)
    assert found.origin.offset == 1
    assert found.message.headers == (("own", b"1"),)


def test_an_emptied_letter_says_where_its_record_stands_and_how_large_it_is() -> None:
    message = Message(b"k" * 2_000, b"x" * 20_000_000, (("own", b"1"),))
    letter = DeadLetter(message, Origin("listings", 3, 7), Reason.BAD_EVENT, "why", "decode", 0)
    found = emptied(letter)
    assert found.message == Message(b"k" * 1_024, b"")
    assert found == replace(letter, message=found.message, left_out_bytes=20_002_004)


def test_the_headers_of_a_dead_letter_have_a_largest_size() -> None:
    letter = DeadLetter(
        Message(b"a", b""),
        Origin("t" * 249, 2**31 - 1, 2**63 - 1, 2**63 - 1),
        max(Reason, key=len),
        "é" * 100_000,
        "decode",
        2**52,
        view="v" * 255,
        model_id="m" * 64,
        left_out_bytes=2**31,
    )
    # A header takes at most eight bytes beside its name and content.
    assert sum(len(name) + len(content) + 8 for name, content in bury(letter).headers) <= HEADERS_BYTES
