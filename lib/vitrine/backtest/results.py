"""Figures as they are told: the lines of a table, metrics.json, the page with plots."""

from collections.abc import Iterator, Mapping, Sequence

from vitrine.backtest.protocols import Result
from vitrine.report import Contest, Contestant, Page

LABELS = {
    "map": "MAP",
    "ndcg": "nDCG",
    "precision": "Precision",
    "recall": "Recall",
    "hr": "HR",
    "mrr": "MRR",
    "coverage": "Coverage",
    "novelty": "Novelty",
}
PLOTTED = ("ndcg", "hr", "map", "coverage")
NOTES = (
    "Of one relevant item, HR is Recall, and MAP is MRR. Lists are judged over all items, never over a sample of them.",
    "Coverage is the share of all items that stand in a list.",
    "Novelty is the mean of -log2 of the share of the training sessions that hold what is shown, in bits.",
    "Whiskers and intervals hold 95 % of the means of bootstrap samples, users or sessions drawn as a whole.",
)


def metrics(results: Sequence[Result]) -> dict[str, float]:
    """metrics.json: `<measure>.<metric>@<k>` to six digits, before it `<name>.` where a result has one.

    Ends of intervals have `.low` and `.high` behind it.
    """
    found: dict[str, float] = {}
    for result in results:
        for row in result.rows:
            key = ".".join(part for part in (result.name, row.measure) if part)
            found |= {f"{key}.{name}": round(value, 6) for name, value in row.figures.items()}
            for name, (low, high) in row.intervals.items():
                found |= {f"{key}.{name}.low": round(low, 6), f"{key}.{name}.high": round(high, 6)}
    return found


def table(result: Result, *, default: str) -> str:
    """The figures at 10 (else at the first length) as Markdown, the columns in line, the default measure marked."""
    k = _shown(result)
    head = ("measure", *(f"{label}@{k}" for label in LABELS.values()), "")
    rows = [
        (_marked(row.measure, default), *(f"{row.figures[f'{name}@{k}']:.6f}" for name in LABELS), row.note)
        for row in result.rows
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = [
        "-" * width if place in (0, len(widths) - 1) else "-" * (width - 1) + ":" for place, width in enumerate(widths)
    ]
    lines = [_line(head, widths), f"| {' | '.join(rule)} |", *(_line(row, widths) for row in rows)]
    return "\n".join([f"{result.title}: {result.aside}", "", *lines, ""])


def page(run: str, results: Sequence[Result], facts: Mapping[str, str], *, default: str) -> Page:
    """The page with a comparison for each result."""
    best = ", ".join(_best(results))
    return Page(
        title=f"Evaluation {run}",
        summary=f"{best}.",
        facts=facts,
        contests=tuple(_contest(result, default) for result in results),
        notes=NOTES,
    )


def _best(results: Sequence[Result]) -> Iterator[str]:
    for result in results:
        name = f"ndcg@{_shown(result)}"
        row = max(result.rows, key=lambda one: one.figures[name])
        yield f"{result.title}: {row.measure} is best with {name} {row.figures[name]:.4f}"


def _shown(result: Result) -> int:
    lengths = [int(name.removeprefix("ndcg@")) for name in result.rows[0].figures if name.startswith("ndcg@")]
    return 10 if 10 in lengths else lengths[0]


def _contest(result: Result, default: str) -> Contest:
    plotted = tuple(f"{name}@{_shown(result)}" for name in PLOTTED)
    contestants = tuple(Contestant(row.measure, row.figures, row.intervals, row.note) for row in result.rows)
    return Contest(result.title, contestants, plotted, marked=default, aside=result.aside)


def _marked(measure: str, default: str) -> str:
    return f"{measure} (default)" if measure == default else measure


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    name, *figures, note = cells
    middle = (figure.rjust(width) for figure, width in zip(figures, widths[1:-1], strict=True))
    return f"| {' | '.join([name.ljust(widths[0]), *middle, note.ljust(widths[-1])])} |"
