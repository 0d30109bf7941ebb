"""The Spark session and the two pandas UDFs."""

import os
import threading
from functools import partial
from pathlib import Path

import pytest
from pyspark.errors import PythonException
from pyspark.sql import SparkSession

from vitrine.embedding import Batch
from vitrine.errors import BadInput, BadSettings, ModelMismatch, Unavailable, VitrineError
from vitrine.spark import EMBEDDED, assigned_cores, assigned_device, embed, run_units, session, slots
from vitrine.spark.starting import configuration
from vitrine.spark.tasks import told_by_worker
from vitrine.testing import FakeEmbedder


def nothing() -> None:
    """Called while units run."""


def test_a_session_that_is_running_is_used_and_goes_on(spark: SparkSession) -> None:
    with session("another", {"sql.shuffle.partitions": "77"}) as found:
        assert found.sparkContext is spark.sparkContext
    assert spark.range(3).count() == 3
    assert spark.conf.get("spark.sql.shuffle.partitions") == "2"


def test_a_session_is_found_from_another_thread(spark: SparkSession) -> None:
    found = []

    def look() -> None:
        with session("another", {}) as running:
            found.append(running.sparkContext)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [spark.sparkContext]
    assert spark.range(3).count() == 3


def test_slots_are_how_many_tasks_run_at_once(spark: SparkSession) -> None:
    assert slots(spark) == 2


def test_units_are_run_one_a_task_and_answered_in_order(spark: SparkSession) -> None:
    def run(unit: str) -> str:
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        return f"{unit} {context.partitionId()}"

    units = [f"{number:03}" for number in range(30)]
    assert run_units(spark, units, run, meanwhile=nothing) == [f"{unit} {int(unit)}" for unit in units]


def test_units_of_any_size_are_run_one_a_task(spark: SparkSession) -> None:
    def run(unit: str) -> str:
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        return str(context.partitionId())

    large = "x" * 9_000_000  # six of them are more than Spark keeps in a local relation
    assert run_units(spark, [large] * 6, run, meanwhile=nothing) == ["0", "1", "2", "3", "4", "5"]


def test_without_units_nothing_is_started(spark: SparkSession) -> None:
    assert run_units(spark, [], str.upper, meanwhile=nothing) == []


def test_properties_of_the_session_are_left_as_they_were(spark: SparkSession) -> None:
    names = ("spark.sql.leafNodeDefaultParallelism", "spark.sql.execution.arrow.localRelationThreshold")
    before = [spark.conf.get(name, None) for name in names]
    run_units(spark, ["a"], str.upper, meanwhile=nothing)
    assert [spark.conf.get(name, None) for name in names] == before


def test_meanwhile_is_called_until_all_are_done(spark: SparkSession, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    def run(unit: str) -> str:
        return unit + gate.read_text()

    calls = []

    def meanwhile() -> None:
        calls.append(1)
        if len(calls) == 2:
            gate.write_text("b")

    assert run_units(spark, ["a"], run, meanwhile=meanwhile) == ["ab"]
    assert len(calls) >= 2


@pytest.mark.parametrize("kind", [BadInput, BadSettings, VitrineError, Unavailable])
def test_an_error_of_ours_arrives_as_it_was_raised(spark: SparkSession, kind: type[VitrineError]) -> None:
    def run(_unit: str) -> str:
        try:
            raise KeyError("what came first")
        except KeyError as first:
            raise kind("a.parquet: has changed: start a new run") from first

    with pytest.raises(kind) as raised:
        run_units(spark, ["a"], run, meanwhile=nothing)
    assert type(raised.value) is kind
    assert str(raised.value) == "a.parquet: has changed: start a new run"


def test_a_mismatch_of_models_arrives_as_the_bad_input_that_it_is(spark: SparkSession) -> None:
    def run(_unit: str) -> str:
        raise ModelMismatch("the store", "a", "b")

    with pytest.raises(BadInput, match="the store holds vectors of model a, not of model b"):
        run_units(spark, ["a"], run, meanwhile=nothing)


def test_an_error_that_no_other_attempt_would_mend_ends_all_units(spark: SparkSession, tmp_path: Path) -> None:
    waiting, never, failed = (tmp_path / name for name in ("waiting", "never", "failed"))
    os.mkfifo(waiting)
    os.mkfifo(never)

    def run(unit: str) -> str:
        if unit == "waits":
            waiting.write_text("now")
            return never.read_text()
        waiting.read_text()
        with failed.open("a") as attempts:
            attempts.write("once ")
        raise BadInput("a.parquet: has changed")

    with pytest.raises(BadInput, match="has changed"):
        run_units(spark, ["waits", "fails"], run, meanwhile=nothing)
    assert failed.read_text() == "once "


def test_an_error_of_the_caller_ends_all_units(spark: SparkSession, tmp_path: Path) -> None:
    never = tmp_path / "never"
    os.mkfifo(never)
    attempts = tmp_path / "attempts"

    def run(_unit: str) -> str:
        attempts.touch()
        return never.read_text()

    def meanwhile() -> None:
        if attempts.exists():
            raise Unavailable("the storage of the run does not answer")

    with pytest.raises(Unavailable, match="does not answer"):
        run_units(spark, ["a"], run, meanwhile=meanwhile)


def test_another_error_is_told_in_one_line_with_its_place(spark: SparkSession) -> None:
    def run(unit: str) -> str:
        return str(int(unit))

    with pytest.raises(VitrineError) as raised:
        run_units(spark, ["seven"], run, meanwhile=nothing)
    assert "a Python worker failed: ValueError: invalid literal for int() with base 10: 'seven'" in str(raised.value)
    assert "(test_spark.py:" in str(raised.value)
    assert "the same --run goes on" in str(raised.value)
    assert "\n" not in str(raised.value)


TRACE = """An exception was thrown from the Python worker:
Traceback (most recent call last):
  File "/x/worker.py", line 1, in main
    run()
KeyError: 'first'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/x/worker.py", line 2, in main
    run()
  File "/x/deep.py", line 33, in run
    raise
    ^^^^^
"""


@pytest.mark.parametrize(
    ("end", "kind", "text"),
    [
        ("vitrine.errors.Unavailable: no: yes\n", Unavailable, "no: yes"),
        ("ValueError: two\nlines\n", VitrineError, "a Python worker failed: ValueError: two (deep.py:33)"),
        ("MemoryError\n", VitrineError, "a Python worker failed: MemoryError (deep.py:33)"),
        ("x.BadInput: not ours\n", VitrineError, "a Python worker failed: x.BadInput: not ours (deep.py:33)"),
        ("", VitrineError, "a Python worker failed: no reason given (deep.py:33)"),
    ],
)
def test_a_traceback_becomes_the_error_that_it_ends_with(end: str, kind: type[VitrineError], text: str) -> None:
    told = told_by_worker(TRACE + end)
    assert type(told) is kind
    assert str(told).split("; ")[0] == text


def test_pictures_of_any_table_become_vectors_or_reasons(spark: SparkSession, drawn_pictures: list[bytes]) -> None:
    pictures = [*drawn_pictures[:9], None, b"", b"<html>", *drawn_pictures[9:15]]
    table = spark.createDataFrame(list(enumerate(pictures)), "number int, picture binary").repartition(3)
    embedded = table.select("number", embed(partial(FakeEmbedder, dim=16))("picture").alias("found"))
    assert embedded.schema["found"].dataType == EMBEDDED
    rows = sorted(embedded.collect())
    assert [row.number for row in rows] == list(range(18))
    reasons = {row.number: row.found.reason for row in rows if row.found.reason}
    assert reasons == {9: "missing", 10: "missing", 11: "unsupported_format"}
    for row in rows:
        if row.number not in reasons:
            (alone,) = FakeEmbedder(dim=16).embed([(0, pictures[row.number])])
            assert row.found.vector == alone.vectors[0].tolist()


def test_an_embedder_is_made_once_a_task_and_only_for_pictures(spark: SparkSession, tmp_path: Path) -> None:
    made = tmp_path / "made"

    def make() -> FakeEmbedder:
        from pyspark import TaskContext

        context = TaskContext.get()
        with made.open("a") as file:
            file.write(f"{context.taskAttemptId() if context else None}\n")
        return FakeEmbedder(dim=16)

    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "5")
    try:
        table = spark.range(40, numPartitions=2).selectExpr("cast(cast(id as string) as binary) as picture")
        table.select(embed(make)("picture")).collect()
        spark.createDataFrame([], "picture binary").select(embed(make)("picture")).collect()
    finally:
        spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
    tasks = made.read_text().split()
    assert len(tasks) == len(set(tasks)) == 2


def test_an_embedder_that_stops_early_is_an_error_and_no_shift(spark: SparkSession) -> None:
    def make() -> FakeEmbedder:
        class Short(FakeEmbedder):
            def embed(self, pictures):  # type: ignore[no-untyped-def]
                for batch in super().embed(pictures):
                    yield Batch(batch.keys[1:], batch.rejects[1:], batch.vectors)

        return Short(dim=16)

    table = spark.range(3).selectExpr("cast(cast(id as string) as binary) as picture")
    with pytest.raises(PythonException, match="number of output rows"):
        table.select(embed(make)("picture")).collect()


@pytest.mark.parametrize(
    ("given", "master"),
    [
        ("local", "local[1,4]"),
        ("local[3]", "local[3,4]"),
        ("local[*]", "local[*,4]"),
        ("local[2,1]", "local[2,1]"),
        ("local-cluster[2,1,2048]", "local-cluster[2,1,2048]"),
        ("spark://shop:7077", "spark://shop:7077"),
    ],
)
@pytest.mark.usefixtures("spark")
def test_a_local_master_tries_again_unless_it_says_how_often(given: str, master: str) -> None:
    assert configuration({"spark.master": given}).get("spark.master") == master


@pytest.mark.parametrize("key", ["spark.task.resource.gpu.amount", "spark.executor.resource.gpu.amount"])
@pytest.mark.usefixtures("spark")
def test_gpus_are_asked_only_of_a_cluster(key: str) -> None:
    with pytest.raises(BadSettings, match=r"local\[4\] assigns no GPUs"):
        configuration({"spark.master": "local[4]", key: "1"})
    for cluster in ("local-cluster[2,1,2048]", "spark://shop:7077", "k8s://https://shop", "yarn"):
        assert configuration({"spark.master": cluster, key: "1"}).get(key) == "1"


@pytest.mark.usefixtures("spark")
def test_dynamic_allocation_is_refused() -> None:
    with pytest.raises(BadSettings, match=r"dynamicAllocation.* spark\.executor\.instances"):
        configuration({"spark.dynamicAllocation.enabled": "true"})


def test_a_task_has_the_cores_that_spark_gives_it(spark: SparkSession) -> None:
    assert run_units(spark, ["a"], lambda _: str(assigned_cores()), meanwhile=nothing) == ["1"]
    assert assigned_cores() == 1


def test_outside_a_task_no_device_is_assigned() -> None:
    assert assigned_device() is None
