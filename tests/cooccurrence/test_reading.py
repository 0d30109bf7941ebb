"""Events from files: every format gives the same rows, and what cannot be right is said before any work."""

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from vitrine.cooccurrence import reading
from vitrine.errors import BadInput, BadSettings
from vitrine.settings.recommend import Recommend

AT = datetime(2026, 11, 1, 12, 30, 0, 250_000, tzinfo=UTC)
AT_MS = round(AT.timestamp() * 1_000)
ROWS = [
    {"user_id": "u", "session_id": "s", "product_id": "a", "event_type": "view", "event_ts": AT_MS},
    {"user_id": None, "session_id": "s", "product_id": 'b, "b"', "event_type": "cart", "event_ts": None},
]


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    """The rows in the format of the path's ending."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({k: v for k, v in row.items() if v is not None}) + "\n" for row in rows))
    else:
        sign = "\t" if path.suffix == ".tsv" else ","
        cells = [list(rows[0]), *(["" if v is None else v for v in row.values()] for row in rows)]
        lines = [sign.join('"' + str(cell).replace('"', '""') + '"' for cell in line) for line in cells]
        path.write_text("\n".join(lines) + "\n")
    return str(path)


def read(spark: SparkSession, *events: str, columns: dict[str, str] | None = None, **settings: Any) -> DataFrame:
    return reading.read(spark, Recommend(events=list(events), columns=columns or {}, **settings))


def rows_of(frame: DataFrame) -> list[tuple[Any, ...]]:
    """Session, product, type, time in UTC, whether it cancels, whether it was unreadable."""
    names = ("session_id", "product_id", "event_type", "event_ts", "is_cancellation", "is_unreadable")
    rows = (tuple(row[name] for name in names) for row in frame.collect())
    return [tuple(v.astimezone(UTC) if isinstance(v, datetime) else v for v in row) for row in rows]


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "csv", "tsv"])
def test_every_format_gives_the_same_rows(spark: SparkSession, tmp_path: Path, ending: str) -> None:
    frame = read(spark, write(tmp_path / f"events [1].{ending}", ROWS))
    assert frame.columns == list(reading.RAW_COLUMNS)
    assert rows_of(frame) == [("s", "a", "view", AT, False, False), ("s", 'b, "b"', "cart", None, False, False)]


def test_times_are_timestamps_dates_text_or_numbers(spark: SparkSession, tmp_path: Path) -> None:
    midnight, seconds = AT.replace(hour=0, minute=0, microsecond=0), AT.timestamp()
    good: list[tuple[Any, datetime, str]] = [
        (AT, AT, "ms"),
        (AT.replace(tzinfo=None), AT, "ms"),
        (date(2026, 11, 1), midnight, "ms"),
        ("2026-11-01T12:30:00.25", AT, "ms"),
        ("2026-11-01T14:30:00.25+02:00", AT, "ms"),
        ("2026-11-01 12:30:00.25Z", AT, "ms"),
        (str(AT_MS), AT, "ms"),
        (seconds, AT, "s"),
        (AT_MS * 1_000, AT, "us"),
        (AT_MS * 1_000_000, AT, "ns"),
    ]
    for number, (value, expected, unit) in enumerate(good):
        file = write(tmp_path / f"{number}.parquet", [{**ROWS[0], "event_ts": value}])
        assert rows_of(read(spark, file, timestamp_unit=unit))[0][3] == expected, value


def test_what_is_no_time_is_null(spark: SparkSession, tmp_path: Path) -> None:
    values = ["", "yesterday", "12:30", "2026-13-01", "0", "-5", "NaN", "1e40", "9" * 30, "2026"]
    file = write(tmp_path / "a.parquet", [{**ROWS[0], "event_ts": value} for value in values])
    times = [row[3] for row in rows_of(read(spark, file))]
    assert times == [None] * 9 + [datetime(1970, 1, 1, 0, 0, 2, 26_000, tzinfo=UTC)]


def test_timestamps_of_nanoseconds_are_read(spark: SparkSession, tmp_path: Path) -> None:
    spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    times = pa.array([AT_MS * 1_000_000 + 7], pa.timestamp("ns"))
    pq.write_table(pa.table({**{k: [v] for k, v in ROWS[0].items()}, "event_ts": times}), tmp_path / "a.parquet")
    try:
        assert rows_of(read(spark, str(tmp_path)))[0][3] == AT
    finally:
        spark.conf.unset("spark.sql.legacy.parquet.nanosAsLong")


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_events_may_be_nested_in_sessions(spark: SparkSession, tmp_path: Path, ending: str) -> None:
    events = [{"aid": 7, "ts": AT_MS, "type": "clicks"}, {"aid": 8, "ts": AT_MS + 5, "type": "orders"}]
    sessions = [{"session": 1, "events": events}, {"session": 2, "events": []}]
    names = {"session": "session", "user": "", "product": "aid", "timestamp": "ts", "type": "type", "nested": "events"}
    file = write(tmp_path / f"sessions.{ending}", sessions)
    found = rows_of(read(spark, file, columns=names, cancelled="aid = '8' AND session = 1"))
    assert [row[:3] + row[4:5] for row in found] == [
        ("1", "7", "clicks", False),
        ("1", "8", "orders", True),
        ("2", None, None, False),
    ]


def test_the_published_sample_of_otto_is_read(spark: SparkSession, shared_data: Path) -> None:
    names = {"session": "session", "user": "", "product": "aid", "timestamp": "ts", "type": "type", "nested": "events"}
    found = read(spark, str(shared_data / "events" / "otto_sample.jsonl"), columns=names)
    assert (found.count(), found.where("event_ts IS NULL").count()) == (862, 0)
    assert {row["event_type"] for row in found.select("event_type").distinct().collect()} == {
        "clicks",
        "carts",
        "orders",
    }


def test_lines_that_cannot_be_parsed_are_rows(spark: SparkSession, tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.csv"):
        file = write(tmp_path / name, ROWS)
        with Path(file).open("a") as stream:
            stream.write("no, such\n")
        assert [row[5] for row in rows_of(read(spark, file))] == [False, False, True]


def test_directories_are_read_whole_but_for_hidden_and_foreign_files(spark: SparkSession, tmp_path: Path) -> None:
    inner = tmp_path / "day=1" / "inner"
    inner.mkdir(parents=True)
    write(tmp_path / "a.jsonl", ROWS)
    with gzip.open(inner / "b.jsonl.gz", "wt") as stream:
        stream.write(json.dumps(ROWS[0]) + "\n")
    write(tmp_path / "_hidden.jsonl", ROWS)
    (tmp_path / "README.md").write_text("events")
    assert read(spark, str(tmp_path), str(tmp_path / "a.jsonl")).count() == 3


def test_a_condition_marks_cancellations(spark: SparkSession, tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", [{**ROWS[0], "quantity": n} for n in (3, -1, None)])
    assert [row[4] for row in rows_of(read(spark, file, cancelled="quantity < 0"))] == [False, True, False]
    for wrong in ("quantity <", "nothing < 0", "quantity + 1"):
        with pytest.raises(BadSettings, match="--cancelled is no condition"):
            read(spark, file, cancelled=wrong)


def test_without_a_type_column_every_row_is_of_the_one_type(spark: SparkSession, tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", ROWS)
    assert rows_of(read(spark, file, columns={"type": ""}, types={"purchase": 2.0}))[0][2] == "purchase"


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "csv"])
def test_a_missing_column_is_named_with_its_file(spark: SparkSession, tmp_path: Path, ending: str) -> None:
    write(tmp_path / f"a.{ending}", ROWS)
    write(tmp_path / f"b.{ending}", [{k: v for k, v in ROWS[0].items() if k != "product_id"}])
    with pytest.raises(
        BadInput, match=rf"b\.{ending} has no column product_id: set --columns.product to one of event_ts"
    ):
        read(spark, str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"product_id": 1.5}, r"column product_id of .*a\.parquet is double, not string or integer"),
        ({"event_ts": True}, r"column event_ts of .*a\.parquet is bool, not timestamp, text or number"),
        ({"user_id": AT}, r"column user_id of .*a\.parquet is timestamp.*: check --columns.user"),
    ],
)
def test_a_column_of_a_wrong_type_is_named_with_its_file(
    spark: SparkSession, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        read(spark, write(tmp_path / "a.parquet", [{**ROWS[0], **changes}]))


def test_files_that_cannot_go_together_are_named(spark: SparkSession, tmp_path: Path) -> None:
    first, numbers = write(tmp_path / "a.parquet", ROWS), write(tmp_path / "b.parquet", [{**ROWS[0], "product_id": 3}])
    with pytest.raises(BadInput, match=r"column product_id of .*b\.parquet is int64, that of .*a\.parquet string"):
        read(spark, first, numbers)
    table, turned = write(tmp_path / "a.csv", ROWS), write(tmp_path / "b.csv", [dict(reversed(ROWS[0].items()))])
    with pytest.raises(BadInput, match=r"the columns of .*b\.csv are not those of .*a\.csv"):
        read(spark, table, turned)
    with pytest.raises(BadInput, match=r"a\.parquet is parquet, .*a\.csv is csv: give events of one format"):
        read(spark, first, table)


def test_what_is_not_there_is_named(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="no events: name their files"):
        read(spark)
    with pytest.raises(BadInput, match=r"none\.csv does not exist"):
        read(spark, str(tmp_path / "none.csv"))
    with pytest.raises(BadInput, match="holds no events"):
        read(spark, str(tmp_path))
    (tmp_path / "a.log").write_text("x")
    with pytest.raises(BadInput, match=r"a\.log has no ending that tells its format: say it with --format"):
        read(spark, str(tmp_path / "a.log"))
    (tmp_path / "a.parquet").write_text("x")
    with pytest.raises(BadInput, match=r"a\.parquet is not a readable Parquet file"):
        read(spark, str(tmp_path / "a.parquet"))
