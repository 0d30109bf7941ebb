"""Figures as the page shows them: models side by side, hard classes, and mistakes with their pictures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from vitrine.errors import BadRecord
from vitrine.product import counted
from vitrine.report import Contest, Contestant, Neighbours, Page, Tile
from vitrine.retrieval.arena import Arena, Side
from vitrine.retrieval.contest import LEAST_FOR_INTERVAL, Contender
from vitrine.retrieval.mistakes import Mistake
from vitrine.retrieval.robustness import Robustness

Shrink = Callable[[bytes], bytes]
TILE_PX = 160
HARDEST = 15
STRENGTHS = ("mild", "medium", "strong")
NOTES = (
    """recall@k: the share of queries with their label among the first k answers. precision@k: the share of these k that
    have it. map@r: mean average precision over the first R answers, R being how many have the label (arXiv 2003.08505).
    mrr: one divided by the place of the first that has it.""",
    """Pictures of the query's own product are not searched, unless the label is the product: then only those with the
    query's very bytes are not. Queries whose label nothing else in the gallery has are left out.""",
    """Whiskers and intervals hold 95 % of the means of bootstrap samples; queries of a product are drawn together.""",
    """Distortions: noise of that deviation (of 255), blur of that share of the shorter side, brightness and contrast by
    that factor, JPEG of that quality, rotation by degrees, the middle of that share of each side, a grey square over
    that share of the area, that share of the colour taken away.""",
    """Times are of one query after the other, beside whatever else the machine did.""",
)


def page(run: str, arena: Arena, contenders: Sequence[Contender], *, facts: Mapping[str, str], shrink: Shrink) -> Page:
    """The page; classes and mistakes are those of the first model by the first label column.

    `shrink` makes a picture's bytes those of a tile, or raises BadRecord.
    """
    called = _called([one.name for one in contenders])
    contenders = [replace(one, name=called[one.name]) for one in contenders]
    first = contenders[0]
    column = next(iter(arena.classes))
    return Page(
        title=f"Retrieval {run}",
        summary=_summary(arena, contenders, column),
        facts={**facts, **_whole(called), **_unusable(contenders)},
        contests=(
            *(_overall(contenders, name) for name in arena.classes),
            *_hardest(arena, first, column),
            *_distortions(contenders),
            _times(contenders),
        ),
        gallery=tuple(_answer(arena, column, mistake, shrink) for mistake in first.mistakes),
        gallery_title=f"Surest mistakes by {column}: {first.name}",
        rejects_by_reason=arena.rejected,
        notes=(*NOTES, *dict.fromkeys(one.notice for one in contenders if one.notice)),
    )


def _called(names: Sequence[str]) -> dict[str, str]:
    """By name what the page calls a model: of a file its directory and stem, where these tell the models apart."""
    paths = {name: PurePosixPath(name) for name in names}
    short = {name: f"{path.parent.name}/{path.stem}" if "/" in name else name for name, path in paths.items()}
    return short if len({*short.values()}) == len(short) else {name: name for name in names}


def _whole(called: Mapping[str, str]) -> dict[str, str]:
    """The names that the page does not call by all of it, by what it does."""
    return {short: name for name, short in called.items() if short != name}


def _summary(arena: Arena, contenders: Sequence[Contender], column: str) -> str:
    shares = (f"{one.name} {one.scores[column].judged.means()['recall@1']:.1%}" for one in contenders)
    return (
        f"{len(arena.queries):,} queries, {len(arena.gallery):,} pictures that are searched. "
        f"The first answer has the same {column}: {', '.join(shares)}."
    )


def _unusable(contenders: Sequence[Contender]) -> dict[str, str]:
    """What a model could not embed, where it could not embed all."""
    return {f"unusable for {one.name}": counted(one.unusable) for one in contenders if one.unusable}


def _overall(contenders: Sequence[Contender], column: str) -> Contest:
    judged = contenders[0].scores[column].judged
    left_out = f", {judged.left_out:,} left out" if judged.left_out else ""
    return Contest(
        title=f"Same {column}",
        contestants=tuple(
            Contestant(one.name, one.scores[column].judged.means(), one.scores[column].intervals, one.model_id)
            for one in contenders
        ),
        plotted=tuple(name for name in judged.figures if not name.startswith("precision")),
        marked=contenders[0].name,
        aside=f"{len(judged.labels):,} queries{left_out}",
    )


def _hardest(arena: Arena, one: Contender, column: str) -> tuple[Contest, ...]:
    """The classes with the lowest mAP@R, of those with at least five queries."""
    score = one.scores[column]
    figures = score.judged.by_label()
    counts = {label: int(np.count_nonzero(score.judged.labels == label)) for label in figures}
    enough = [label for label in figures if counts[label] >= LEAST_FOR_INTERVAL]
    rows = tuple(
        Contestant(arena.classes[column][label], figures[label], score.by_class[label], f"{counts[label]} queries")
        for label in sorted(enough, key=lambda label: figures[label]["map@r"])[:HARDEST]
    )
    return (Contest(f"Hardest by {column}: {one.name}", rows, ("map@r", "recall@1")),) if rows else ()


def _distortions(contenders: Sequence[Contender]) -> tuple[Contest, ...]:
    """A comparison for each of the three strengths; the strongest is drawn."""
    asked = [(one.name, found) for one in contenders if (found := one.robustness)]
    if not asked:
        return ()
    clean = ", ".join(f"{name} {found.clean:.3f}" for name, found in asked)
    shown = []
    for i, how in enumerate(STRENGTHS):
        rows = tuple(Contestant(name, _drops(found, i)) for name, found in asked)
        plotted = tuple(rows[0].figures) if how == STRENGTHS[-1] else ()
        aside = f"less is better; recall@10 of {asked[0][1].n:,} queries as they are: {clean}"
        title = f"Drop of recall@10, {how} distortion"
        shown.append(Contest(title, rows, plotted, marked=asked[0][0], aside=aside, least=True))
    return tuple(shown)


def _drops(found: Robustness, i: int) -> dict[str, float]:
    """The drops at the i-th strength of each distortion."""
    figures = ((what, *list(drops.items())[i]) for what, drops in found.drops().items())
    return {f"{what} {strength:g}": drop for what, strength, drop in figures}


def _times(contenders: Sequence[Contender]) -> Contest:
    rows = []
    for one in contenders:
        speed = one.speed
        figures = {
            "embed p50": speed.embed.p50,
            "embed p99": speed.embed.p99,
            "search p50": speed.search.p50,
            "search p99": speed.search.p99,
        }
        recall = {} if speed.index_recall is None else {"index recall@10": speed.index_recall}
        rows.append(Contestant(one.name, {**figures, **recall}, note=one.runs_on))
    aside = "milliseconds, one query alone"
    return Contest("Time", tuple(rows), (), marked=contenders[0].name, aside=aside, least=True)


def _answer(arena: Arena, column: str, mistake: Mistake, shrink: Shrink) -> Neighbours:
    def tile(side: Side, place: int, score: float | None) -> Tile:
        label = int(side.labels[column][place])
        note = arena.classes[column][label] if label >= 0 else ""
        return Tile(_small(side.picture(place), shrink), side.titles[place], note, score)

    return Neighbours(
        tile(arena.queries, mistake.query, None),
        tuple(tile(arena.gallery, place, score) for place, score in mistake.found),
    )


def _small(picture: bytes | None, shrink: Shrink) -> bytes | None:
    try:
        return shrink(picture) if picture else None
    except BadRecord:
        return None
