"""Report pages as files: whole, self-contained, harmless."""

import json
import os
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrine.rendering import draw, look, webp
from vitrine.report import Contest, Contestant, Neighbours, Page, Tile, TopList, render, write

HOSTILE = "\"'><script>alert(1)</script><img src=http://evil.example/x onerror=alert(1)>$title ${body} $"
PICTURE = webp(draw(look(2), size=32))


def tile(words: str = "mug", *, score: float | None = None) -> Tile:
    return Tile(PICTURE, caption=words, note=words, score=score)


def contest(words: str) -> Contest:
    ours = Contestant(words, {words: 0.5, "hr@10": 0.25}, {words: (0.4, 0.6)}, note=words)
    return Contest(words, (ours, Contestant("popularity", {words: 0.75})), plotted=(words,), marked=words, aside=words)


def full_page(words: str) -> Page:
    """A page with `words` wherever a page takes a string."""
    return Page(
        title=words,
        summary=words,
        facts={words: words},
        counts={words: 3, "reused": 0},
        stage_seconds={words: 1.5},
        rejects=(tile(words),),
        rejects_by_reason={words: 2},
        gallery=(Neighbours(tile(words), (tile(words, score=0.5),)), Neighbours(tile(words), ())),
        top_lists=(TopList(words, words, ((words, words),)),),
        contests=(contest(words),),
        notes=(words,),
    )


class Tags(HTMLParser):
    """Every tag of a document with its attributes, and its text by tag."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, Mapping[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def named(self, tag: str) -> list[Mapping[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_a_hostile_string_anywhere_adds_no_tag_and_no_attribute():
    harmless, hostile = Tags(render(full_page("mug"))), Tags(render(full_page(HOSTILE)))

    def skeleton(page: Tags) -> list[tuple[str, list[str]]]:
        return [(tag, sorted(attributes)) for tag, attributes in page.tags if tag != "wbr"]

    assert skeleton(hostile) == skeleton(harmless)


def test_a_hostile_string_is_shown_as_it_is():
    strings_in_a_full_page = 28
    assert "".join(Tags(render(full_page(HOSTILE))).texts).count(HOSTILE) == strings_in_a_full_page


def test_a_page_runs_no_script_and_asks_no_host():
    page = Tags(render(full_page("mug")))
    assert {str(image["src"])[:16] for image in page.named("img")} == {"data:image/webp;"}
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "a", "form", "base"}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?:", render(full_page("mug")))
    policies = [meta["content"] for meta in page.named("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_what_is_empty_is_left_out():
    headings = re.findall(
        r"<h2>(\w+)", render(Page("Products like mug.jpg", "1 found.", gallery=full_page("mug").gallery))
    )
    assert headings == ["Neighbours"]
    assert re.findall(r"<h2>(\w+)", render(full_page("mug"))) == [
        "mug",
        "Rows",
        "Time",
        "Facts",
        "Neighbours",
        "Lists",
        "Rejects",
        "Notes",
    ]


def test_counts_are_drawn_in_proportion_and_nothing_for_nothing():
    page = render(Page("t", "s", counts={"embedded": 1062, "reused": 0, "rejected": 12}))
    assert re.findall(r'class="(tint\d)" style="flex-grow:(\d+)"', page) == [("tint0", "1062"), ("tint2", "12")]
    assert "98.9%" in page
    assert "1,074 in all" in page


def test_counts_that_are_all_nothing_are_shown_without_shares():
    assert "<strong>0</strong>" in render(Page("t", "s", counts={"embedded": 0}))


def test_stages_are_drawn_in_proportion_to_the_longest():
    page = render(Page("t", "s", stage_seconds={"plan": 1.0, "embed": 4.0, "swap": 0.0}))
    assert re.findall(r'class="length"[^>]* width="([^"]+)"', page) == ["25.00%", "100.00%", "0.00%"]


def test_reasons_stand_by_their_number():
    page = Tags(render(Page("t", "s", rejects_by_reason={"corrupt": 1, "missing": 4, "truncated": 4})))
    assert [words for words in page.texts if words in ("corrupt", "missing", "truncated")] == [
        "missing",
        "truncated",
        "corrupt",
    ]


def test_a_page_follows_light_and_dark():
    page = render(Page("t", "s"))
    assert "prefers-color-scheme: dark" in page
    assert {"name": "color-scheme", "content": "light dark"} in Tags(page).named("meta")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30)
@given(values=st.dictionaries(st.text(), JSON, max_size=4))
def test_values_are_read_back_as_they_were(tmp_path_factory, values):
    directory = tmp_path_factory.mktemp("report")
    write(directory, Page("t", "s"), values)
    assert json.loads((directory / "report.json").read_text("utf-8")) == values


def test_both_files_are_written_and_nothing_else(tmp_path: Path):
    path = write(tmp_path / "deep" / "report", full_page("mug"), {"rows": 2, "embedded": 1})
    assert path.read_text("utf-8") == render(full_page("mug"))
    assert (path.parent / "report.json").read_text("utf-8") == '{\n  "embedded": 1,\n  "rows": 2\n}\n'
    assert sorted(os.listdir(path.parent)) == ["report.html", "report.json"]


def test_a_lone_surrogate_does_not_stop_the_report(tmp_path: Path):
    path = write(tmp_path, full_page("a\ud800b"), {"title": "a\ud800b"})
    assert "a\N{REPLACEMENT CHARACTER}b" in path.read_text("utf-8")
    assert json.loads((tmp_path / "report.json").read_text("utf-8")) == {"title": "a\ud800b"}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_hold_leaves_the_old_report(tmp_path: Path, number):
    write(tmp_path, Page("old", "s"), {"recall_at_10": 1.0})
    with pytest.raises(ValueError, match="JSON"):
        write(tmp_path, Page("new", "s"), {"recall_at_10": number})
    assert "<title>old</title>" in (tmp_path / "report.html").read_text("utf-8")
    assert json.loads((tmp_path / "report.json").read_text("utf-8")) == {"recall_at_10": 1.0}


def test_contestants_are_drawn_as_long_as_their_figures():
    tags = Tags(render(Page(title="t", summary="s", contests=(contest("ndcg@10"),))))
    bars = [bar for bar in tags.named("rect") if bar["class"] in ("default", "other")]
    assert [(bar["class"], bar["width"]) for bar in bars] == [("default", "33.33%"), ("other", "50.00%")]
    assert [line["x1"] for line in tags.named("line")] == ["62.67%"]


def test_the_best_figure_of_a_column_stands_out_and_a_missing_one_is_empty():
    page = render(Page(title="t", summary="s", contests=(contest("ndcg@10"),)))
    assert "<td><strong>0.7500</strong></td><td></td>" in page
    assert '<td title="0.4000 to 0.6000">0.5000</td><td><strong>0.2500</strong></td>' in page


def test_a_list_shows_its_rows_in_order_each_with_its_figure():
    document = render(Page("t", "s", top_lists=(TopList("mug", "sold 3 times", (("saucer", "2"), ("spoon", "1"))),)))
    parts = ["<h3>", ">mug<", "sold 3 times", "saucer", "<span>2</span>", "spoon", "<span>1</span>", "</ol>"]
    places = [document.index(part) for part in parts]
    assert places == sorted(places)
