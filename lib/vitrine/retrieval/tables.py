"""Figures as lines of Markdown."""

from collections.abc import Sequence

from vitrine.product import counted
from vitrine.retrieval.arena import Arena
from vitrine.retrieval.contest import Contender, Score
from vitrine.retrieval.timing import Latency


def tables(arena: Arena, contenders: Sequence[Contender]) -> str:
    """What the program prints: each label column, robustness and speed, with a line for each model."""
    parts = [_overall(contenders, column) for column in arena.classes]
    return "\n".join([*parts, *_robustness(contenders), _speed(contenders), *_unusable(arena, contenders)])


def _overall(contenders: Sequence[Contender], column: str) -> str:
    judged = contenders[0].scores[column].judged
    title = f"same {column}: {len(judged.labels):,} queries, {judged.left_out:,} left out"
    names = list(judged.figures)
    rows = [[one.name, *(_figure(one.scores[column], name) for name in names)] for one in contenders]
    return _table(title, ["model", *names], rows)


def _figure(score: Score, name: str) -> str:
    value = f"{score.judged.means()[name]:.3f}"
    if name not in score.intervals:
        return value
    low, high = score.intervals[name]
    return f"{value} ({low:.3f} to {high:.3f})"


def _robustness(contenders: Sequence[Contender]) -> list[str]:
    asked = [(one.name, found) for one in contenders if (found := one.robustness)]
    if not asked:
        return []
    title = f"drop of recall@10 under distortion, {asked[0][1].n:,} queries"
    rows = [["as they are", "recall@10", *(f"{found.clean:.3f}" for _, found in asked)]]
    drops = [found.drops() for _, found in asked]
    rows += [
        [name, f"{strength:g}", *(f"{of_one[name][strength]:+.3f}" for of_one in drops)]
        for name, strengths in drops[0].items()
        for strength in strengths
    ]
    return [_table(title, ["distortion", "strength", *(name for name, _ in asked)], rows)]


def _speed(contenders: Sequence[Contender]) -> str:
    head = ["model", "runs on", "embed p50", "p99", "search p50", "p99", "index recall@10"]
    rows = [
        [
            one.name,
            one.runs_on,
            *_latency(one.speed.embed),
            *_latency(one.speed.search),
            "exact" if one.speed.index_recall is None else f"{one.speed.index_recall:.4f}",
        ]
        for one in contenders
    ]
    return _table("one query alone, milliseconds", head, rows)


def _unusable(arena: Arena, contenders: Sequence[Contender]) -> list[str]:
    """Lines on pictures that no model saw, or that one could not embed, where there are any."""
    parts = [
        ("rejected pictures", arena.rejected),
        *((f"unusable for {one.name}", one.unusable) for one in contenders),
    ]
    return [f"{what}: {counted(reasons)}" for what, reasons in parts if reasons]


def _latency(found: Latency) -> tuple[str, str]:
    return f"{found.p50:.1f}", f"{found.p99:.1f}"


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [_line(head, widths), f"| {' | '.join(rule)} |", *(_line(row, widths) for row in rows)]
    return "\n".join([title, "", *lines, ""])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = cells
    shown = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
    return f"| {' | '.join(shown)} |"
