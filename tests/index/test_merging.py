from itertools import groupby

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vitrine.errors import BadInput
from vitrine.index import staged
from vitrine.index.merging import groups

KEYS = st.text(st.sampled_from("aé花\U0001f600\uffff"), max_size=2)


@pytest.fixture
def written(tmp_path):
    """`written([(key, value), ...], ...)`: a Parquet file for each list."""

    def write(*parts):
        files = []
        for number, rows in enumerate(parts):
            files.append(str(tmp_path / f"part-{number}.parquet"))
            keys, values = ([row[column] for row in rows] for column in (0, 1))
            pq.write_table(
                pa.table({"key": pa.array(keys, pa.string()), "value": pa.array(values, pa.int64())}), files[-1]
            )
        return files

    return write


def read(files):
    return [(key, [row["value"] for row in rows]) for key, rows in groups(files, "key", ["value"])]


def test_a_key_of_several_files_is_one_group(written):
    assert read(written([("a", 1), ("c", 2)], [("a", 3), ("a", 4), ("b", 5)])) == [
        ("a", [1, 3, 4]),
        ("b", [5]),
        ("c", [2]),
    ]


def test_no_files_have_no_groups(written):
    assert read([]) == read(written([])) == []


def test_rows_without_a_key_are_left_out(written):
    assert read(written([(None, 1), ("a", 2), (None, 3)])) == [("a", [2])]


def test_a_group_longer_than_a_batch_stays_one(written, monkeypatch):
    monkeypatch.setattr(staged, "READ_ROWS", 2)

    assert read(written([("a", i) for i in range(7)] + [("b", 7)])) == [("a", list(range(7))), ("b", [7])]


def test_an_unsorted_file_is_named(written):
    with pytest.raises(BadInput, match=r"part-1\.parquet is not sorted by key: write it again"):
        read(written([("a", 1)], [("b", 1), ("a", 2)]))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.tuples(KEYS, st.integers(0, 9)), max_size=6), max_size=4))
def test_keys_come_in_the_order_of_their_bytes_each_once_with_all_its_rows(written, parts):
    by_bytes = [sorted(part, key=lambda row: row[0].encode()) for part in parts]
    together = sorted((row for part in by_bytes for row in part), key=lambda row: row[0].encode())

    expected = [(key, [value for _, value in rows]) for key, rows in groupby(together, lambda row: row[0])]
    assert read(written(*by_bytes)) == expected
