import json
import math

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from vitrine.index import schema
from vitrine.index.rows import fit, fit_attributes, row
from vitrine.product import UNKNOWN_PRICE, Product

TEXT = st.text(st.characters(), max_size=40)


def build(product, position=0, **given_):
    return row(product, position, **{"sha256": "", "uri": "", "event_us": 0, "indexed_us": 0, **given_})


def test_a_row_has_every_field_of_the_collection_but_the_vector():
    built, cut = build(Product("p1", 7, "Shirt", "A/B", "Acme", 9.5, False, {"colour": "red"}), 3, sha256="ab", uri="u")

    assert built == {
        "image_id": "p1/3",
        "product_id": "p1",
        "position": 3,
        "version": 7,
        "image_sha256": "ab",
        "image_uri": "u",
        "title": "Shirt",
        "category": "A/B",
        "brand": "Acme",
        "price": 9.5,
        "in_stock": False,
        "attributes": '{"colour":"red"}',
        "event_us": 0,
        "indexed_us": 0,
    }
    assert cut == 0


def test_staged_rows_have_exactly_the_columns_of_the_collection():
    staged = schema.ROW_SCHEMA(4)

    assert tuple(staged.names) == schema.pictures(4).names
    assert staged.field("vector").type == pa.list_(pa.float32())
    assert {*build(Product("p"))[0], "vector"} == set(staged.names)


@given(TEXT, st.integers(0, 60))
def test_text_is_cut_to_bytes_at_a_character(text, limit):
    fitted, whole = fit(text, limit)
    clean = text.encode("utf-8", "replace").decode()

    assert len(fitted.encode()) <= limit
    assert clean.startswith(fitted)
    assert whole == (fitted == clean)
    assert whole or len(clean[: len(fitted) + 1].encode()) > limit


@given(st.dictionaries(TEXT, TEXT, max_size=6), st.integers(2, 200))
def test_attributes_stay_valid_json_within_their_limit(attributes, limit):
    text, whole = fit_attributes(attributes, limit)
    clean = {
        k.encode("utf-8", "replace").decode(): v.encode("utf-8", "replace").decode() for k, v in attributes.items()
    }

    assert len(text.encode()) <= limit
    assert json.loads(text).items() <= clean.items()
    assert not whole or json.loads(text) == clean


def test_an_attribute_that_does_not_fit_does_not_push_out_those_that_do():
    assert fit_attributes({"a": "x" * 99, "b": "y"}, 20) == ('{"b":"y"}', False)


def test_cut_fields_are_counted():
    long = Product("p", title="é" * 513, category="c" * 512, brand="b" * 257, attributes={"k": "v" * 70_000})

    built, cut = build(long, uri="u" * 2049)

    assert cut == 4  # all but the category, which just fits
    assert len(built["title"].encode()) == 1024
    assert built["attributes"] == "{}"


def test_a_price_that_is_no_number_is_unknown():
    for price in (math.nan, math.inf, -math.inf):
        assert build(Product("p", price=price))[0]["price"] == UNKNOWN_PRICE
