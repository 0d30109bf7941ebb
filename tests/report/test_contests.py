"""Contestants of which the least figure is best, and a gallery under a title of its own."""

import re

from vitrine.report import Contest, Contestant, Neighbours, Page, Tile, render

ONE, OTHER = Contestant("one", {"loss": 0.25}), Contestant("other", {"loss": 0.125})


def test_the_best_figure_stands_out_whether_the_most_or_the_least_is_best() -> None:
    for least, best in ((False, "0.2500"), (True, "0.1250")):
        page = Page(title="t", summary="s", contests=(Contest("c", (ONE, OTHER), (), least=least),))
        assert re.findall(r"<strong>([\d.]+)</strong>", render(page)) == [best]


def test_the_gallery_has_the_title_that_it_is_given() -> None:
    gallery = (Neighbours(Tile(None, "query"), ()),)
    assert "<h2>Neighbours<" in render(Page(title="t", summary="s", gallery=gallery))
    assert "<h2>Mistakes &amp; more<" in render(
        Page(title="t", summary="s", gallery=gallery, gallery_title="Mistakes & more")
    )
