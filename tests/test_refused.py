"""Pictures that no decoder takes, remembered by hash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine import refused
from vitrine.product import Reason, Reject
from vitrine.storage import directory

SHA = st.text("0123456789abcdef", min_size=64, max_size=64)
REJECTS = st.builds(Reject, st.sampled_from(sorted(refused.REMEMBERED)), st.text(st.characters(codec="utf-8")))


@given(first=st.dictionaries(SHA, REJECTS), second=st.dictionaries(SHA, REJECTS))
def test_what_was_added_is_read_again(tmp_path_factory, first, second) -> None:
    place = directory(str(tmp_path_factory.mktemp("refused")))
    refused.add(place, first)
    refused.add(place, second)
    found = refused.read(place)
    assert found.keys() == first.keys() | second.keys()
    assert all(found[sha256] in (first.get(sha256), second.get(sha256)) for sha256 in found)


def test_nothing_is_remembered_at_first(tmp_path) -> None:
    assert refused.read(refused.place(str(tmp_path), "model0")) == {}


def test_models_and_versions_do_not_mix(tmp_path, monkeypatch) -> None:
    place = refused.place(str(tmp_path), "model0")
    refused.add(place, {"a" * 64: Reject(Reason.CORRUPT, "no end")})
    assert refused.read(refused.place(str(tmp_path), "model1")) == {}
    monkeypatch.setattr(refused, "__version__", "99")
    assert refused.read(refused.place(str(tmp_path), "model0")) == {}
    assert len(refused.read(place)) == 1


@pytest.mark.parametrize("content", [b"", b"PAR1 and so on", b"x" * 100])
def test_a_part_that_cannot_be_read_is_left_out(tmp_path, content) -> None:
    place = refused.place(str(tmp_path), "model0")
    refused.add(place, {"a" * 64: Reject(Reason.CORRUPT, "no end")})
    place.write("part-broken.parquet", content)
    assert len(refused.read(place)) == 1


def test_limits_and_shortages_are_not_remembered() -> None:
    assert refused.REMEMBERED.isdisjoint(
        {Reason.TOO_LARGE, Reason.TOO_MANY_PIXELS, Reason.TOO_MANY_FRAMES, Reason.TOO_MANY_SCANS, Reason.FETCH_FAILED}
    )
