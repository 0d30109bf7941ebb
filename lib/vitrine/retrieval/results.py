"""Figures as metrics.json tells them."""

from collections.abc import Mapping, Sequence

import numpy as np

from vitrine.retrieval.arena import Arena
from vitrine.retrieval.contest import Contender, Intervals, Score, Speed
from vitrine.retrieval.robustness import Robustness
from vitrine.retrieval.timing import Latency

Figures = Mapping[str, float]


def metrics(arena: Arena, contenders: Sequence[Contender]) -> dict[str, object]:
    """metrics.json: by model its scores by label column, its robustness and its speed; shares to four digits."""
    return {
        "queries": len(arena.queries),
        "gallery": len(arena.gallery),
        "rejected": dict(arena.rejected),
        "models": {one.name: _model(arena, one) for one in contenders},
    }


def _model(arena: Arena, one: Contender) -> dict[str, object]:
    return {
        "model_id": one.model_id,
        "runs_on": one.runs_on,
        "notice": one.notice,
        "unusable": dict(one.unusable),
        "labels": {column: _score(score, arena.classes[column]) for column, score in one.scores.items()},
        "robustness": _robustness(one.robustness) if one.robustness else {},
        "speed": _speed(one.speed),
    }


def _score(score: Score, names: Sequence[str]) -> dict[str, object]:
    judged = score.judged
    return {
        "queries": len(judged.labels),
        "left_out": judged.left_out,
        "overall": rounded(judged.means()),
        "intervals": _intervals(score.intervals),
        "by_class": {
            names[label]: {
                "queries": int(np.count_nonzero(judged.labels == label)),
                **rounded(figures),
                "intervals": _intervals(score.by_class[label]),
            }
            for label, figures in judged.by_label().items()
        },
    }


def _robustness(found: Robustness) -> dict[str, object]:
    return {
        "queries": found.n,
        "recall@10": round(found.clean, 4),
        "drop": {
            name: {f"{strength:g}": round(drop, 4) for strength, drop in drops.items()}
            for name, drops in found.drops().items()
        },
    }


def _speed(speed: Speed) -> dict[str, object]:
    found: dict[str, object] = {"embed_ms": _latency(speed.embed), "search_ms": _latency(speed.search)}
    return found if speed.index_recall is None else {**found, "index_recall@10": round(speed.index_recall, 4)}


def _latency(found: Latency) -> dict[str, float]:
    return {"p50": round(found.p50, 2), "p99": round(found.p99, 2), "n": found.n}


def rounded(figures: Figures) -> dict[str, float]:
    """Figures to four digits."""
    return {name: round(value, 4) for name, value in figures.items()}


def _intervals(intervals: Intervals) -> dict[str, list[float]]:
    return {name: [round(low, 4), round(high, 4)] for name, (low, high) in intervals.items()}
