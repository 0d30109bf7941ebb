"""The sections of a report page; each is empty text where there is nothing to show."""

from collections.abc import Mapping, Sequence

from vitrine.report import contests, curves
from vitrine.report.markup import element, text, tile, words
from vitrine.report.page import Contest, Curves, Neighbours, Tile, TopList

TINTS = 6
STAGE_HEIGHT = 40


def counts_bar(counts: Mapping[str, int]) -> str:
    """What became of all rows: a bar in proportion, and the figures."""
    if not counts:
        return ""
    tints = {name: f"tint{i % TINTS}" for i, name in enumerate(counts)}
    total = sum(counts.values())
    parts = (
        element("span", class_=tints[name], style=f"flex-grow:{count}", title=f"{name}: {count:,}")
        for name, count in counts.items()
        if count
    )
    figures = (
        element(
            "li",
            element("span", class_=f"swatch {tints[name]}"),
            element("span", words(name), class_="name"),
            element("strong", f"{count:,}"),
            element("span", f"{count / total:.1%}" if total else "", class_="quiet"),
        )
        for name, count in counts.items()
    )
    bar = element("div", *parts, class_="bar", aria_hidden="true")
    return _section("Rows", bar, element("ul", *figures, class_="figures"), aside=f"{total:,} in all")


def curve_section(shown: Sequence[Curves]) -> str:
    """Figures over the course of a program."""
    return _section("Course", *map(curves.plot, shown)) if shown else ""


def fact_list(facts: Mapping[str, str]) -> str:
    """Names and values."""
    if not facts:
        return ""
    pairs = (element("div", element("dt", text(name)), element("dd", words(value))) for name, value in facts.items())
    return _section("Facts", element("dl", *pairs))


def stage_plot(seconds: Mapping[str, float]) -> str:
    """How long each stage took, as bars."""
    if not seconds:
        return ""
    longest = max(seconds.values()) or 1.0
    rows = (
        _stage(name, value, top=i * STAGE_HEIGHT, share=value / longest)
        for i, (name, value) in enumerate(seconds.items())
    )
    height = str(len(seconds) * STAGE_HEIGHT)
    plot = element(
        "svg", *rows, class_="stages", height=height, width="100%", role="img", aria_label="seconds by stage"
    )
    return _section("Time", plot, aside=f"{sum(seconds.values()):,.1f} s")


def neighbour_gallery(title: str, gallery: tuple[Neighbours, ...]) -> str:
    """Rows of a query and its neighbours."""
    if not gallery:
        return ""
    rows = (
        element(
            "div",
            element("div", tile(row.query), class_="query"),
            element("div", *(tile(found) for found in row.found), class_="found")
            if row.found
            else element("p", "Nothing was found.", class_="quiet"),
            class_="answer",
        )
        for row in gallery
    )
    return _section(title, *rows, aside="a query, then what was found, best first", kind="neighbours")


def reject_tiles(rejects: tuple[Tile, ...], by_reason: Mapping[str, int]) -> str:
    """Why pictures were rejected, and some of them."""
    if not rejects and not by_reason:
        return ""
    reasons = (
        element("li", words(reason), " ", element("strong", f"{count:,}"))
        for reason, count in sorted(by_reason.items(), key=lambda item: (-item[1], item[0]))
    )
    chips = element("ul", *reasons, class_="chips") if by_reason else ""
    tiles = element("div", *(tile(reject) for reject in rejects), class_="tiles") if rejects else ""
    return _section("Rejects", chips, tiles)


def list_section(lists: tuple[TopList, ...]) -> str:
    """Lists side by side, each with its title above it."""
    if not lists:
        return ""
    shown = (
        element(
            "div",
            element("h3", words(one.title)),
            element("p", words(one.note), class_="quiet") if one.note else "",
            element("ol", *(element("li", words(name), element("span", text(figure))) for name, figure in one.rows)),
            class_="list",
        )
        for one in lists
    )
    return _section("Lists", element("div", *shown, class_="columns"))


def contest_section(contest: Contest) -> str:
    """Contestants side by side: plots, and the table of all figures."""
    if not contest.contestants:
        return ""
    return _section(
        contest.title, contests.plots(contest), contests.table(contest), aside=contest.aside, kind="contest"
    )


def note_list(notes: tuple[str, ...]) -> str:
    """Remarks in full sentences."""
    return (
        _section("Notes", element("ul", *(element("li", words(note)) for note in notes), class_="notes"))
        if notes
        else ""
    )


def _section(heading: str, *content: str, aside: str = "", kind: str = "") -> str:
    beside = element("small", text(aside)) if aside else ""
    return element("section", element("h2", text(heading), beside), *content, class_=kind or heading.lower())


def _stage(name: str, seconds: float, *, top: int, share: float) -> str:
    label = element("text", text(name), x="0", y=str(top + 16))
    value = element("text", f"{seconds:,.1f} s", class_="value", x="100%", y=str(top + 16))
    track = element("rect", class_="track", x="0", y=str(top + 24), width="100%", height="5", rx="2.5")
    bar = element("rect", class_="length", x="0", y=str(top + 24), width=f"{share:.2%}", height="5", rx="2.5")
    return label + value + track + bar
