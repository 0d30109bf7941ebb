"""The ratings protocol against a slow one, written from the definitions with dense matrices and loops."""

from collections.abc import Callable
from math import log2
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from vitrine.backtest import protocols, ratings
from vitrine.backtest.comparison import Knobs
from vitrine.errors import BadInput
from vitrine.settings import Evaluate

Rating = tuple[str, str, float, float]
Matrix = np.ndarray

SIMILARITIES: dict[str, Callable[[float, float, float, int], float]] = {
    "cooccurrence": lambda c, i, j, n: c,
    "jaccard": lambda c, i, j, n: c / (i + j - c),
    "cosine": lambda c, i, j, n: c / np.sqrt(i * j),
    "lift": lambda c, i, j, n: c / (i * j),
    "inclusion": lambda c, i, j, n: c / min(i, j),
    "mutual-information": lambda c, i, j, n: log2(n * c / (i * j)) if c else 0.0,
    "lexmi": lambda c, i, j, n: c * log2(n * c / (i * j)) if c else 0.0,
}


def natural(ids: set[str]) -> list[str]:
    return sorted(ids, key=int) if all(id_.lstrip("-").isdigit() for id_ in ids) else sorted(ids)


def slow_split(rows: list[Rating], by: str, seed: int) -> list[bool]:
    np.random.seed(seed)
    groups: dict[str, list[tuple[float, int]]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(row[0 if by == "user" else 1], []).append((np.random.rand(), place))
    train = [False] * len(rows)
    for members in groups.values():
        for rank, (_, place) in enumerate(sorted(members), start=1):
            train[place] = rank <= round(0.75 * len(members))
    return train


def slow_figures(rows: list[Rating], by: str, seed: int, similarity: str) -> dict[str, float]:
    """MAP, nDCG, precision and recall at 10 of SAR."""
    train = slow_split(rows, by, seed)
    learned = [row for row, kept in zip(rows, train, strict=True) if kept]
    users, items = natural({row[0] for row in learned}), natural({row[1] for row in learned})
    newest = max(row[3] for row in learned)
    affinity, held = np.zeros((len(users), len(items))), np.zeros((len(users), len(items)))
    for user, item, rating, time in learned:
        at = users.index(user), items.index(item)
        affinity[at] += rating * min(1.0, 2 ** (-(newest - time) / (30 * 86_400)))
        held[at] = 1
    both = held.T @ held
    similar = np.array(
        [
            [SIMILARITIES[similarity](both[i, j], both[i, i], both[j, j], len(items)) for j in range(len(items))]
            for i in range(len(items))
        ]
    )
    scores = affinity @ similar
    scores[held > 0] = -np.inf
    tested: dict[str, list[str]] = {}
    for row, kept in zip(rows, train, strict=True):
        if not kept and row[0] in users:
            tested.setdefault(row[0], []).append(row[1])
    figures = np.zeros(4)
    for user, wanted in tested.items():
        scored = scores[users.index(user)]
        order = [item for item in sorted(range(len(items)), key=lambda i: (-scored[i], i)) if scored[item] > -np.inf]
        figures += slow_user([items[item] for item in order[:10]], wanted)
    return dict(zip(("map", "ndcg", "precision", "recall"), figures / max(len(tested), 1), strict=True))


def slow_user(listed: list[str], wanted: list[str]) -> Matrix:
    hits = precision_sum = gain = 0.0
    for rank, item in enumerate(listed, start=1):
        for _ in range(wanted.count(item)):
            hits += 1
            precision_sum += hits / rank
            gain += 1 / log2(1 + rank)
    best = sum(1 / log2(1 + rank) for rank in range(1, min(10, len(wanted)) + 1))
    return np.array([precision_sum / len(wanted), gain / best, hits / 10, hits / len(wanted)])


def drawn(seed: int, *, users: int, items: int, rows: int, name: str = "i{}", repeats: bool = False) -> list[Rating]:
    """Random ratings over two months; each pair of user and item once unless `repeats`."""
    generator = np.random.default_rng(seed)
    cells = generator.choice(users * items, rows, replace=repeats)
    popular = np.minimum(generator.zipf(1.4, rows), items) - 1
    found = []
    for place, cell in enumerate(cells):
        item = int(popular[place]) if repeats else int(cell % items)
        time = float(generator.integers(880_000_000, 885_000_000))
        found.append((f"u{cell // items}", name.format(item), float(generator.integers(1, 6)), time))
    return found


def written(path: Path, rows: list[Rating], *, header: str = "") -> str:
    lines = [f"{user}\t{item}\t{rating:g}\t{time:.0f}\n" for user, item, rating, time in rows]
    path.write_text(header + "".join(lines), "utf-8")
    return str(path)


def figures(spark: SparkSession, path: str, by: str, measures: list[str]) -> dict[str, dict[str, float]]:
    wanted = Evaluate(recommendations=True, ratings=path, split=by, seed=42, resamples=0)
    found = protocols.of_ratings(spark, path, measures, wanted, Knobs(shrinkage=20, decay=0.5))
    return {row.measure: dict(row.figures) for row in found.rows}


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        ("user", drawn(1, users=40, items=60, rows=900)),
        ("item", drawn(2, users=30, items=25, rows=300, name="{}")),
        ("user", drawn(3, users=25, items=40, rows=400, repeats=True)),
    ],
    ids=["by-user", "by-item-with-numbers-as-ids", "with-items-rated-twice"],
)
def test_every_similarity_of_sar_gives_the_figures_of_the_slow_protocol(
    spark: SparkSession, tmp_path: Path, by: str, rows: list[Rating]
) -> None:
    found = figures(spark, written(tmp_path / "ratings.tsv", rows), by, [f"sar-{name}" for name in SIMILARITIES])
    for name in SIMILARITIES:
        slow = slow_figures(rows, by, 42, name)
        assert slow["map"] > 0.005
        assert {metric: found[f"sar-{name}"][f"{metric}@10"] for metric in slow} == pytest.approx(slow, abs=1e-9)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60),
    st.sampled_from(["user", "item"]),
    st.integers(0, 2**32 - 1),
)
def test_the_split_is_that_of_one_draw_for_each_row(cells: list[tuple[int, int]], by: str, seed: int) -> None:
    rows = [(f"u{user}", f"i{item}", 1.0, 0.0) for user, item in cells]
    user, item = np.array(cells).T
    read = ratings.Ratings(None, None, user, item, np.ones(len(rows)), np.zeros(len(rows)))
    assert list(ratings.in_train(read, by, seed=seed)) == slow_split(rows, by, seed)


def test_three_quarters_are_rounded_to_the_even_number() -> None:
    sizes = {2: 2, 3: 2, 6: 4, 10: 8, 14: 10}
    for size, train in sizes.items():
        read = ratings.Ratings(None, None, np.zeros(size, int), np.arange(size), np.ones(size), np.ones(size))
        assert ratings.in_train(read, "user", seed=1).sum() == train


def test_affinity_halves_in_thirty_days_before_the_newest_training_rating_and_never_grows(tmp_path: Path) -> None:
    month = 30 * 86_400
    rows = [("a", "x", 4.0, 0.0), ("a", "y", 4.0, month), ("a", "z", 4.0, 2 * month), ("a", "w", 4.0, 3 * month)]
    read = ratings.read(written(tmp_path / "ratings.tsv", rows))
    assert list(ratings.affinity(read, np.array([True, True, True, False]))) == [1.0, 2.0, 4.0, 4.0]


def test_a_case_is_a_user_of_both_parts_and_an_item_unseen_in_training_stays_relevant(tmp_path: Path) -> None:
    rows = [("b", "x", 1.0, 0.0), ("a", "x", 1.0, 0.0), ("b", "new", 1.0, 0.0), ("c", "x", 1.0, 0.0)]
    read = ratings.read(written(tmp_path / "ratings.tsv", rows))
    found = ratings.cases(read, np.array([True, True, False, False]), pa.array(["x"]))
    assert (len(found), list(found.relevant_item), list(found.relevant)) == (1, [-1], [1])


@pytest.mark.parametrize("header", ["", "user\titem\trating\ttimestamp\n", "userId\tmovieId\trating\ttimestamp\r\n"])
def test_a_header_is_no_row(tmp_path: Path, header: str) -> None:
    read = ratings.read(
        written(tmp_path / "ratings.tsv", [("7", "10", 3.5, 99.0), ("7", "9", 2.0, 5.0)], header=header)
    )
    assert read.items.to_pylist() == ["9", "10"]
    assert (list(read.item), list(read.rating), list(read.timestamp)) == ([1, 0], [3.5, 2.0], [99.0, 5.0])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("secret-user\tx\t3\n", "Expected 4 columns, got 3"),
        ("a\tx\t3\t1\nsecret-user\tx\tthree\t1\n", "Row #2"),
        ("a\tx\t3\t1\na\tx\tnan\t1\n", "no number in row 2"),
        ("a\tx\t3\t1\na\tx\tinf\t1\n", "no number in row 2"),
        ("", "Empty"),
        ("user\titem\trating\ttimestamp\n", "no rows"),
    ],
)
def test_a_bad_file_is_named_in_one_line_without_users(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "ratings.tsv"
    path.write_text(content)
    with pytest.raises(BadInput) as refused:
        ratings.read(str(path))
    assert told in str(refused.value)
    assert str(path) in str(refused.value)
    assert "secret" not in str(refused.value)


def test_ratings_without_a_user_of_both_parts_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nothing is left to judge"):
        figures(spark, written(tmp_path / "r.tsv", [("a", "x", 1.0, 1.0), ("b", "x", 1.0, 1.0)]), "user", ["sar-lift"])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot read the ratings .*nothing\.tsv"):
        ratings.read(str(tmp_path / "nothing.tsv"))
