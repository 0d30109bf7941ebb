import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.catalog.labels import is_held_out, label
from vitrine.product import Product

IDS = [str(number) for number in range(4_000)]


@pytest.fixture
def boots() -> Product:
    return Product("7", category="Shoes/Boots", brand="Fjord", attributes={"colour": "red"})


def test_a_label_is_what_the_catalogue_says(boots: Product) -> None:
    names = ("product_id", "category", "brand", "colour", "material")
    assert [label(boots, name) for name in names] == ["7", "Shoes/Boots", "Fjord", "red", ""]


def test_a_joined_label_needs_all_of_its_parts(boots: Product) -> None:
    assert label(boots, "brand+colour") == "Fjord red"
    assert label(boots, "brand+material") == ""


def test_a_tenth_is_those_whose_md5_ends_in_zero() -> None:
    """The products that the bundled weights have never seen."""
    tenth = [name for name in IDS if int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(), 16) % 10 == 0]
    assert [name for name in IDS if is_held_out(name, 0.1)] == tenth


@given(st.text(max_size=20), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_larger_share_holds_a_smaller_one(name: str, one: float, other: float) -> None:
    if is_held_out(name, min(one, other)):
        assert is_held_out(name, max(one, other))


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5, 0.9])
def test_a_share_is_about_what_was_asked_for(share: float) -> None:
    assert sum(is_held_out(name, share) for name in IDS) / len(IDS) == pytest.approx(share, abs=0.03)
