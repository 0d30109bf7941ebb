"""Words beside a picture, in English and Chinese."""

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.client.words import scores, singular, terms

TITLES = ["Red summer dress", "Dark blue dresses", "RED T-Shirt", "红色连衣裙 夏季", "蓝色 T恤", "Café table", ""]


def best(words):
    """The titles that hold the words, best first."""
    found = sorted(zip(scores(words, TITLES), TITLES, strict=True), key=lambda one: -one[0])
    return [title for score, title in found if score > 0]


@pytest.mark.parametrize(
    ("words", "titles"),
    [
        ("red", ["Red summer dress", "RED T-Shirt"]),
        ("dress", ["Red summer dress", "Dark blue dresses"]),
        ("red dress", ["Red summer dress", "Dark blue dresses", "RED T-Shirt"]),
        ("t-shirts", ["RED T-Shirt", "蓝色 T恤"]),
        ("cafe", ["Café table"]),
        ("连衣裙", ["红色连衣裙 夏季"]),
        ("红裙", ["红色连衣裙 夏季"]),
        ("蓝色", ["蓝色 T恤", "红色连衣裙 夏季"]),
        ("Ｔ恤", ["蓝色 T恤", "RED T-Shirt"]),
        ("zebra", []),
        ("  ,;! ", []),
    ],
)
def test_words_find_the_titles_that_hold_them(words, titles):
    assert best(words) == titles


def test_the_words_that_everybody_has_count_least():
    rare, frequent = log(1 + 5 / 2), log(1 + 5 / 4)

    found = scores("red zebra", ["red", "red zebra", "zebra", "red", "red"])

    assert found[:3] == pytest.approx([frequent / (rare + frequent), 1.0, rare / (rare + frequent)])


def test_what_no_text_holds_takes_nothing_away():
    assert scores("red xylophone", ["red dress", "blue dress"]) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("word", "one"),
    [
        ("dresses", "dress"),
        ("dress", "dress"),
        ("sizes", "size"),
        ("watches", "watch"),
        ("shoes", "shoe"),
        ("shirts", "shirt"),
        ("accessories", "accessory"),
        ("bus", "bus"),
        ("blouses", "blouse"),
        ("boxes", "box"),
    ],
)
def test_plurals_are_their_singular(word, one):
    assert singular(word) == one


def test_chinese_is_compared_by_characters_and_their_pairs():
    assert sorted(terms("红色裙X")) == sorted(["红", "色", "裙", "红色", "色裙", "x"])


@given(st.text(max_size=30), st.lists(st.text(max_size=30), max_size=6))
def test_any_text_may_be_asked_for_and_scores_lie_between_0_and_1(words, texts):
    found = scores(words, texts)

    assert len(found) == len(texts)
    assert all(0 <= one <= 1 + 1e-9 for one in found)
    whole = scores(words, [*texts, words])[-1]
    assert whole == (pytest.approx(1.0) if set(terms(words)) else 0.0)
