"""The filters that the store in memory understands, against Python's own rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.errors import BadInput
from vitrine.testing.dialect import passes

NAMES = "abc"
COMPARISONS = st.tuples(st.sampled_from(NAMES), st.sampled_from(["==", "<", "<=", ">", ">="]), st.integers(-2, 2))
FILTERS = st.recursive(
    COMPARISONS.map(lambda one: " ".join(map(str, one))),
    lambda inner: st.lists(inner, min_size=2, max_size=3).flatmap(
        lambda parts: st.sampled_from([f"({' or '.join(parts)})", f"({' and '.join(parts)})", " and ".join(parts)])
    ),
    max_leaves=8,
)


@given(FILTERS, st.fixed_dictionaries({name: st.integers(-2, 2) for name in NAMES}))
def test_a_filter_passes_what_python_would(matching, row):
    assert passes(matching)(row) == eval(matching, {}, dict(row))


def test_a_field_of_a_map_that_is_not_there_equals_nothing():
    assert passes('attributes["k\\"\\\\"] == "花"')({"attributes": {'k"\\': "花"}})
    assert not passes('attributes["k"] == "x"')({"attributes": {}})


@pytest.mark.parametrize(
    "matching",
    ["a", "a ==", "a == ", "a = 1", "a == 1 or", "(a == 1", "a == 1)", "a == 1 && b == 1", "a like 'x%'", "a == 'x'"],
)
def test_other_filters_are_refused(matching):
    with pytest.raises(BadInput, match=r"not one of vitrine\.index\.filters"):
        passes(matching)
