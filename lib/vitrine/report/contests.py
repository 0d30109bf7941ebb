"""Contestants side by side: a plot for each of the chosen figures, and the table of all."""

from collections.abc import Iterator

from vitrine.report.markup import element, text, words
from vitrine.report.page import Contest, Contestant

ROW_HEIGHT = 22
NAMES_SHARE = 0.36
BARS_SHARE = 0.50
NAME_CHARACTERS = 20
"""What fits into the share of the names where a plot is least wide."""


def plots(contest: Contest) -> str:
    """A plot for each figure that is to be drawn: a bar for each contestant, with its interval as a whisker."""
    return element("div", *(_plot(contest, name) for name in contest.plotted), class_="plots")


def table(contest: Contest) -> str:
    """All figures of all contestants; the best of each column stands out."""
    names = list(dict.fromkeys(name for contestant in contest.contestants for name in contestant.figures))
    choose = min if contest.least else max
    best = {name: choose(one.figures[name] for one in contest.contestants if name in one.figures) for name in names}
    head = element("tr", element("th", ""), *(element("th", words(name), scope="col") for name in names))
    rows = (
        element("tr", _name(one), *(_cell(one, name, best[name]) for name in names), class_=_kind(contest, one))
        for one in contest.contestants
    )
    whole = element("table", element("thead", head), element("tbody", *rows))
    return element("div", whole, class_="scroll")


def _kind(contest: Contest, contestant: Contestant) -> str:
    return "default" if contestant.name == contest.marked else "other"


def _name(contestant: Contestant) -> str:
    note = element("span", words(contestant.note), class_="quiet") if contestant.note else ""
    return element("th", words(contestant.name), " ", note, scope="row")


def _cell(contestant: Contestant, name: str, best: float) -> str:
    if name not in contestant.figures:
        return element("td", "")
    value = contestant.figures[name]
    shown = f"{value:.4f}"
    low_high = contestant.intervals.get(name)
    told = {"title": f"{low_high[0]:.4f} to {low_high[1]:.4f}"} if low_high else {}
    return element("td", element("strong", shown) if value == best else shown, **told)


def _plot(contest: Contest, name: str) -> str:
    shown = [one for one in contest.contestants if name in one.figures]
    tops = [one.intervals.get(name, (0.0, one.figures[name]))[1] for one in shown]
    longest = max(tops, default=0.0) or 1.0
    rows = (
        part
        for place, one in enumerate(shown)
        for part in _bar(one, name, longest, top=place * ROW_HEIGHT, kind=_kind(contest, one))
    )
    drawn = element(
        "svg", *rows, height=str(len(shown) * ROW_HEIGHT), width="100%", role="img", aria_label=f"{name} of each"
    )
    return element("figure", element("figcaption", words(name)), drawn, class_="plot")


def _shortened(name: str) -> str:
    """The name, without its middle where it would run under the bar."""
    half = NAME_CHARACTERS // 2
    return name if len(name) <= NAME_CHARACTERS else f"{name[: half - 1]}\N{HORIZONTAL ELLIPSIS}{name[-half:]}"


def _bar(contestant: Contestant, name: str, longest: float, *, top: int, kind: str) -> Iterator[str]:
    value = contestant.figures[name]
    middle = str(top + ROW_HEIGHT // 2)
    shown = element("title", text(contestant.name)), text(_shortened(contestant.name))
    yield element("text", *shown, x="0", y=str(top + 15), class_=f"name {kind}")
    length = f"{BARS_SHARE * max(value, 0.0) / longest:.2%}"
    yield element(
        "rect", class_=kind, x=f"{NAMES_SHARE:.0%}", y=str(top + 5), width=length, height=str(ROW_HEIGHT - 10), rx="2"
    )
    if name in contestant.intervals:
        low, high = (f"{NAMES_SHARE + BARS_SHARE * max(end, 0.0) / longest:.2%}" for end in contestant.intervals[name])
        yield element("line", class_="whisker", x1=low, x2=high, y1=middle, y2=middle)
    yield element("text", f"{value:.4f}", class_="value", x="100%", y=str(top + 15))
