"""Contestants of which the least figure is best, and a gallery under a title of its own."""

import re

from vitrine.report import Contest, Contestant, Neighbours, Page, Tile, render
from vitrine.report.contests import plots

ONE, OTHER = Contestant("one", {"loss": 0.25}), Contestant("other", {"loss": 0.125})


def test_the_best_figure_stands_out_whether_the_most_or_the_least_is_best() -> None:
    for least, best in ((False, "0.2500"), (True, "0.1250")):
        page = Page(title="t", summary="s", contests=(Contest("c", (ONE, OTHER), (), least=least),))
        assert re.findall(r"<strong>([\d.]+)</strong>", render(page)) == [best]


def test_a_name_too_long_for_its_plot_loses_its_middle_and_keeps_its_whole_as_a_title() -> None:
    fits, longer = "a name of 20 letters", "Apparel/Men/Shoes/Sneakers"
    shown = plots(Contest("c", (Contestant(fits, {"loss": 1}), Contestant(longer, {"loss": 1})), ("loss",)))
    found = re.findall(r"<text x=.0.[^>]*>(.*?)</text>", shown)
    assert found == [
        f"<title>{fits}</title>{fits}",
        f"<title>{longer}</title>Apparel/M\N{HORIZONTAL ELLIPSIS}s/Sneakers",
    ]


def test_the_gallery_has_the_title_that_it_is_given() -> None:
    gallery = (Neighbours(Tile(None, "query"), ()),)
    assert "<h2>Neighbours<" in render(Page(title="t", summary="s", gallery=gallery))
    assert "<h2>Mistakes &amp; more<" in render(
        Page(title="t", summary="s", gallery=gallery, gallery_title="Mistakes & more")
    )
