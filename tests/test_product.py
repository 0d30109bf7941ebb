import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.errors import BadRecord
from vitrine.product import (
    MAX_IMAGES,
    MAX_PRODUCT_ID_BYTES,
    Reason,
    check_product_id,
    deletion_wins,
    image_id,
    is_stale,
    split_image_id,
)

VERSIONS = st.integers(-(2**63), 2**63 - 1)


@given(product_id=st.text(), position=st.integers(0, 2**31 - 1))
def test_a_key_gives_back_the_product_and_position_it_was_made_of(product_id: str, position: int) -> None:
    assert split_image_id(image_id(product_id, position)) == (product_id, position)


def test_a_key_is_split_at_its_last_slash() -> None:
    assert split_image_id("shoes/42/left//7") == ("shoes/42/left/", 7)


@given(st.text(alphabet="ab/01²٣-+ _", max_size=8))
def test_a_text_is_split_only_if_it_is_a_key(text: str) -> None:
    try:
        product_id, position = split_image_id(text)
    except ValueError:
        return
    assert image_id(product_id, position) == text


@pytest.mark.parametrize("text", ["", "a", "a/", "a/-1", "a/+1", "a/1 ", "a/01", "a/²", "a/٣", "a/1_0", "/", "a/b"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an image id"):
        split_image_id(text)


@pytest.mark.parametrize("character", ["a", "ü", "鞋", "👟"])
def test_the_limit_of_an_id_counts_bytes(character: str) -> None:
    longest = character * (MAX_PRODUCT_ID_BYTES // len(character.encode()))
    longest += "a" * (MAX_PRODUCT_ID_BYTES - len(longest.encode()))
    assert check_product_id(longest) == longest
    with pytest.raises(BadRecord, match="257 bytes, at most 256") as refused:
        check_product_id(longest + "a")
    assert refused.value.reason == Reason.ID_TOO_LONG


@pytest.mark.parametrize("missing", [None, ""])
def test_a_product_without_an_id_is_refused(missing: str | None) -> None:
    with pytest.raises(BadRecord) as refused:
        check_product_id(missing)
    assert refused.value.reason == Reason.NO_ID


def test_the_longest_key_fits_its_field() -> None:
    assert len(image_id("a" * MAX_PRODUCT_ID_BYTES, MAX_IMAGES - 1)) <= 320


def test_an_equal_version_is_applied_again() -> None:
    assert not is_stale(5, than=5)


@given(version=VERSIONS, other=VERSIONS)
def test_only_a_lower_version_is_stale(version: int, other: int) -> None:
    assert is_stale(version, than=other) == (version < other)
    assert not (is_stale(version, than=other) and is_stale(other, than=version))


def test_of_two_equal_versions_the_delete_wins() -> None:
    assert deletion_wins(5, deleted_at=5)


@given(version=VERSIONS, deleted_at=VERSIONS)
def test_a_product_outlives_its_deletion_only_by_a_higher_version(version: int, deleted_at: int) -> None:
    assert deletion_wins(version, deleted_at) != (version > deleted_at)


def test_a_reason_is_stored_as_its_own_name() -> None:
    assert [str(reason) for reason in Reason] == [reason.name.lower() for reason in Reason]
