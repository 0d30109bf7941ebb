"""Histories whose last item is the test."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrine.backtest import sequences
from vitrine.backtest.cases import Cases
from vitrine.errors import BadInput


def written(path: Path, histories: dict[str, str]) -> str:
    rows = [(user, place, item) for user, items in histories.items() for place, item in enumerate(items.split())]
    names = ("user_id", "position", "item_id")
    pq.write_table(pa.table({name: [row[i] for row in rows[::-1]] for i, name in enumerate(names)}), path)
    return str(path)


def told(read: sequences.Sequences, cases: Cases) -> list[tuple[list[tuple[str, int]], str]]:
    known = cases.known
    return [
        (
            [
                (read.items[item].as_py(), int(back))
                for case, item, back in zip(known.case, known.item, known.back, strict=True)
                if case == number
            ],
            read.items[cases.relevant_item[number]].as_py(),
        )
        for number in range(len(cases))
    ]


def test_the_last_item_is_the_test_and_the_one_before_it_the_validation(tmp_path: Path) -> None:
    read = sequences.read(written(tmp_path / "s.parquet", {"2": "7 10 9 8", "10": "9 8 7"}))
    assert read.users.to_pylist() == ["2", "10"]
    assert read.items.to_pylist() == ["7", "8", "9", "10"]
    assert told(read, sequences.cases(read, held=0)) == [
        ([("7", 2), ("10", 1), ("9", 0)], "8"),
        ([("9", 1), ("8", 0)], "7"),
    ]
    assert told(read, sequences.cases(read, held=1)) == [([("7", 1), ("10", 0)], "9"), ([("9", 0)], "8")]


def test_a_user_of_whom_nothing_is_left_to_know_is_no_case(tmp_path: Path) -> None:
    read = sequences.read(written(tmp_path / "s.parquet", {"a": "x y", "b": "x", "c": "x y z"}))
    assert len(sequences.cases(read, held=0)) == 2
    assert told(read, sequences.cases(read, held=1)) == [([("x", 0)], "y")]


def test_a_bad_file_is_named_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with pytest.raises(BadInput, match=r"cannot read the sequences .*s\.parquet"):
        sequences.read(str(path))
    path.write_text("no parquet")
    with pytest.raises(BadInput, match=r"cannot read the sequences .*s\.parquet"):
        sequences.read(str(path))
    pq.write_table(pa.table({"user_id": ["a"], "position": [1]}), path)
    with pytest.raises(BadInput, match="no column item_id"):
        sequences.read(str(path))
    pq.write_table(pa.table({"user_id": ["a"], "position": [1], "item_id": pa.array([None], pa.string())}), path)
    with pytest.raises(BadInput, match="hold an empty value"):
        sequences.read(str(path))
