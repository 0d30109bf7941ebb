"""Text, elements and pictures of a page."""

import base64
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.rendering import draw, gif, jpeg, look, png, webp
from vitrine.report import Tile
from vitrine.report.markup import element, picture, text, tile, words


class Reader(HTMLParser):
    """What a browser makes of markup: its tags with their attributes, and its text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


PRINTABLE = st.text(st.characters(exclude_categories=["Cc", "Cs"]))
MARKUP = st.lists(st.sampled_from(["<script>", "</p>", "<!--", "]]>", '"', "'", "&", "&lt;", "x", " ", "/", "=", "`"]))
HOSTILE = PRINTABLE | MARKUP.map("".join)


@given(HOSTILE)
def test_text_reads_as_it_was_and_makes_no_element(value):
    read = Reader(element("p", text(value)))
    assert ([tag for tag, _ in read.tags], read.text) == (["p"], value)


@given(HOSTILE)
def test_an_attribute_reads_as_it_was_and_makes_no_other(value):
    assert Reader(element("p", title=value)).tags == [("p", {"title": value})]


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\r", "\x85", "\ud800"])
def test_what_html_cannot_hold_becomes_a_replacement_character(character):
    assert text(f"a{character}b") == "a\N{REPLACEMENT CHARACTER}b"


def test_text_from_outside_cannot_turn_the_direction_of_its_surroundings():
    assert words("\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe") == "<bdi>\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe</bdi>"


def test_a_path_may_break_after_each_slash():
    assert words("Home/Decor/Vases") == "<bdi>Home/<wbr>Decor/<wbr>Vases</bdi>"


@pytest.mark.parametrize("encode", [jpeg, png, webp, gif])
def test_a_picture_is_inside_the_page_under_its_own_type(encode):
    content = encode(draw(look(1), size=32))
    ((tag, attributes),) = Reader(picture(content, alt="a shirt")).tags
    media_type, _, data = str(attributes["src"]).partition(";base64,")
    assert (tag, media_type, attributes["alt"]) == ("img", f"data:image/{encode.__name__}", "a shirt")
    assert base64.b64decode(data) == content


@pytest.mark.parametrize("content", [None, b"", b"<svg onload=alert(1)>", b"<!DOCTYPE html>", bytes(64)])
def test_what_is_no_picture_is_a_placeholder(content):
    markup = picture(content, alt="")
    assert Reader(markup).tags[0][1]["aria-label"] == "no picture"
    assert "data:" not in markup


def test_a_tile_leaves_out_what_it_has_not():
    assert Reader(tile(Tile(None, "mug"))).text == "mug"
    assert Reader(tile(Tile(None, "mug", note="Home", score=0.98765))).text == "0.988mugHome"
