"""Filters: what they let pass on the fake, on Milvus Lite and on a real server, whatever the values hold."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrine.errors import BadInput, BadSettings
from vitrine.index import schema
from vitrine.index.filters import Filters, both, where, within_category
from vitrine.index.search import search

EAST = np.array([[1, 0]], dtype=np.float32)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
LEVELS = st.text(st.sampled_from("A0/\"\\花 '\n!"), min_size=1, max_size=6)


def shop(store, rows):
    store.create("shop__1", schema.pictures(2), description="")
    store.insert("shop__1", rows)
    return store


def found(store, matching):
    """The products that pass, by a query and by a search, which must agree."""
    queried = {row["product_id"] for row in store.query("shop__1", matching, fields=["product_id"])}
    [hits] = search(store, "shop__1", EAST, 500, filter=matching)
    assert {hit.product_id for hit in hits} == queried
    return queried


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("brand", "Acme", 'brand == "Acme"'),
        ("brand", 'a" or brand != "', 'brand == "a\\" or brand != \\""'),
        ("brand", "a\\", 'brand == "a\\\\"'),
        ("in_stock", True, "in_stock == true"),
        ("price", 5, "price == 5.0"),
        ("position", -1, "position == -1"),
        ("product_id", ["a", "b"], 'product_id in ["a", "b"]'),
        ("product_id", [], "product_id in []"),
    ],
)
def test_filters_are_written_from_typed_values(field, value, text):
    assert where(field, value) == text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vector", "x"),
        ("brand == 1 or title", "x"),
        ("brand", 5),
        ("position", "1"),
        ("position", True),
        ("in_stock", 1),
        ("price", float("nan")),
        ("price", float("inf")),
        ("brand", "\ud800"),
    ],
)
def test_filters_of_other_fields_and_types_are_refused(field, value):
    with pytest.raises(BadInput):
        where(field, value)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_a_filter_for_itself_alone(text):
    literal = where("brand", text).removeprefix("brand == ")

    assert json.loads(literal, strict=False) == text


HOSTILE = ['"', "\\", '\\"', "'", "a\nb", "\t\r", "\x00", "\x1b", "{x}", "%", 'x" or brand != "', "花 é", "\u2028"]


def test_hostile_text_finds_itself_and_nothing_else(store, picture):
    shop(store, [picture(f"{i}/0", [1, 0], brand=text) for i, text in enumerate([*HOSTILE, "Acme"])])

    found = {text: search(store, "shop__1", EAST, 5, filter=where("brand", text)) for text in HOSTILE}

    assert {text: [hit.brand for hit in hits] for text, [hits] in found.items()} == {text: [text] for text in HOSTILE}


SHELVES = ["A", "A/B", "A/B/C", "A0", "A!", "A-", "AB", "A/", "a", "花", "花/红", "花红"]
SHELVES += ['A"', 'A"/x', "A\\", "A\\/y", "é/1", "\U0001f600/z"]


def test_a_category_holds_what_lies_below_it_and_no_neighbour(store, picture):
    shop(store, [picture(f"p{i}/0", [1, i], category=one) for i, one in enumerate(SHELVES)])

    for path in ("A", "A/B", "A/B/C", "花", 'A"', "A\\", "é", "\U0001f600", "nowhere"):
        below = {f"p{i}" for i, one in enumerate(SHELVES) if one == path or one.startswith(f"{path}/")}
        assert found(store, within_category(path)) == below, path


def test_everything_that_is_given_must_hold(store, picture):
    rows = [
        picture("red/0", [1, 0], category="A/B", brand="x", price=5.0, attributes={"colour": "red", 'k"\\': "花"}),
        picture("blue/0", [1, 0], category="A/C", brand="y", price=9.0, attributes={"colour": "blue"}),
        picture("gone/0", [1, 0], category="A/B", brand="x", price=5.0, in_stock=False),
        picture("free/0", [1, 0], category="D", brand="x", price=0.0),
        picture("unknown/0", [1, 0], category="D", brand="z"),
    ]
    shop(store, rows)

    for filters, products in [
        (Filters(), "red blue gone free unknown"),
        (Filters(categories=("A",)), "red blue gone"),
        (Filters(categories=("A/C", "D")), "blue free unknown"),
        (Filters(brands=("x",)), "red gone free"),
        (Filters(brands=("y", "z")), "blue unknown"),
        (Filters(in_stock=True), "red blue free unknown"),
        (Filters(in_stock=False), "gone"),
        (Filters(price_max=5), "red gone free"),
        (Filters(price_min=0), "red blue gone free"),
        (Filters(price_min=5, price_max=5), "red gone"),
        (Filters(attributes={"colour": "red"}), "red"),
        (Filters(attributes={'k"\\': "花", "colour": "red"}), "red"),
        (Filters(attributes={"shape": "red"}), ""),
        (Filters(categories=("A", "D"), brands=("x",), in_stock=True, price_min=1), "red"),
    ]:
        assert found(store, filters.expression or where("version", 1)) == set(products.split()), filters


INJECTIONS = [
    '" or brand != "',
    '\\" or 1 == 1 or brand == \\"',
    "\\",
    '"',
    "'",
    "\n",
    "\t\r",
    "%",
    "_",
    "{x}",
    "] or [",
    "#",
    "花\U0001f600",
]


def test_no_text_is_more_than_a_value(store, picture):
    texts = [*INJECTIONS, *(f"{one}/{other}" for one, other in pairwise(INJECTIONS))]
    said = [{"brand": one, "category": one, "attributes": {one: "x", "k": one}} for one in texts]
    shop(store, [picture(f"p{i}/0", [1, i], **one) for i, one in enumerate(said)])

    def where_texts(passes):
        return {f"p{i}" for i, one in enumerate(texts) if passes(one)}

    @settings(max_examples=40)
    @given(st.sampled_from(texts) | TEXT | LEVELS)
    def nothing_else_is_found(text):
        below = where_texts(lambda one: one == text or one.startswith(f"{text}/"))
        assert found(store, Filters(categories=(text,)).expression) == below
        assert found(store, Filters(brands=(text, "none")).expression) == where_texts(lambda one: one == text)
        assert found(store, Filters(attributes={"k": text}).expression) == where_texts(lambda one: one == text)
        keyed = where_texts(lambda one: one == text or text == "k" == "x")
        assert found(store, Filters(attributes={text: "x"}).expression) == keyed

    nothing_else_is_found()


@pytest.mark.parametrize(
    "given",
    [
        {"categories": ("",)},
        {"categories": ("x",) * 101},
        {"categories": ("x" * 513,)},
        {"brands": ("x" * 257,)},
        {"brands": ("花" * 86,)},
        {"brands": ("x",) * 1_001},
        {"brands": ("a\0b",)},
        {"brands": ("\ud800",)},
        {"attributes": {"": "x"}},
        {"attributes": {"x": "\udfff"}},
        {"attributes": {str(i): "x" for i in range(21)}},
        {"price_min": float("nan")},
        {"price_max": float("inf")},
        {"price_min": -1},
        {"price_min": True},
        {"price_max": "5"},
        {"price_min": 2, "price_max": 1},
    ],
)
def test_values_out_of_range_are_refused_before_they_are_sent(given):
    with pytest.raises(BadSettings, match="filters"):
        Filters(**given)


def test_as_many_values_as_are_allowed_can_be_asked_for(store, picture):
    shop(store, [picture("a/0", [1, 0], category="花" * 170, brand="b" * 256)])
    names = tuple(f"{i:0>4}" + '"' * 252 for i in range(999))

    filters = Filters(categories=("花" * 170, *(f"{i}\\" for i in range(99))), brands=("b" * 256, *names))

    assert found(store, filters.expression) == {"a"}


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [("", "", ""), ("a == 1", "", "a == 1"), ("", "b == 1", "b == 1"), ("a or b", "c or d", "(a or b) and (c or d)")],
)
def test_two_filters_stay_whole_when_both_must_hold(first, second, text):
    assert both(first, second) == text


@pytest.mark.parametrize("price", [10**400, True, "5", float("inf"), float("nan"), -1])
def test_what_is_no_price_is_refused(price):
    with pytest.raises(BadSettings, match="a price is a number"):
        Filters(price_max=price)


def test_a_price_may_be_numpy_s():
    assert Filters(price_max=np.float64(3)).expression == Filters(price_max=3.0).expression
