"""Work on executors: one unit a task, and what went wrong there in one line."""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from uuid import uuid4

import pandas as pd
import pyarrow as pa
from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark import Accumulator, AccumulatorParam, TaskContext
from pyspark.errors import PySparkException, PythonException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import StringType

from vitrine.errors import BadInput, BadSettings, Unavailable, VitrineError
from vitrine.spark.causes import cause
from vitrine.spark.executors import Watch

_FINAL = (BadInput, BadSettings)
_FRAME = re.compile(r'  File "(?:.*/)?([^"]+)", line (\d+)')
_AGAIN = "the same --run goes on with the units that are left"


def in_task() -> bool:
    """Whether this is a Python worker that runs a task."""
    return TaskContext.get() is not None


def assigned_cores() -> int:
    """How many cores this task may use, `spark.task.cpus`; 1 outside a task."""
    context = TaskContext.get()
    return context.cpus() if context else 1


def assigned_device() -> str | None:
    """The GPU that Spark assigned to this task, such as `cuda:1`; None outside a task or without one.

    Where CUDA_VISIBLE_DEVICES is set, Spark's address counts within its list, as torch does.

    Raises:
        BadInput: the discovery script gave something else than numbers.
    """
    context = TaskContext.get()
    gpus = context.resources().get("gpu") if context else None
    if not gpus or not gpus.addresses:
        return None
    if not gpus.addresses[0].isdecimal():
        raise BadInput(
            f"Spark assigned the GPU {gpus.addresses[0]!r}: spark.executor.resource.gpu.discoveryScript must name "
            "GPUs by their numbers, from 0"
        )
    return f"cuda:{gpus.addresses[0]}"


def run_units(
    spark: SparkSession, units: Sequence[str], run: Callable[[str], str], *, meanwhile: Callable[[], None]
) -> list[str]:
    """Run every unit on the executors, one a task, started in order; returns their answers in the same order.

    `run` is called in a Python worker with a unit's text and returns text. A unit whose worker, executor or attempt
    was lost is tried again, elsewhere and perhaps while the first attempt still runs, so `run` must be idempotent; an
    error of ours that is not retriable ends all units at once. `meanwhile` is called about once a second until then.

    Raises:
        VitrineError: a unit failed; an error of ours as it was raised there, of another one the last line and place.
    """
    if not units:
        return []
    told: Accumulator[VitrineError | None] = spark.sparkContext.accumulator(None, _First())

    @pandas_udf(StringType())  # type: ignore[call-overload,untyped-decorator]  # the stubs lack this form
    def answer(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for batch in batches:
            yield batch.map(lambda unit: _attempt(run, unit, told))

    try:
        with _one_a_task(spark, len(units)):
            table = pa.table({"unit": pa.array(units, pa.string())})
            return _collected(spark.createDataFrame(table).select(answer("unit")), told, meanwhile)
    except VitrineError:
        raise
    except PythonException as error:
        raise told_by_worker(str(error)) from error
    except (Py4JNetworkError, ConnectionError) as error:
        raise VitrineError(f"Spark's own process has ended, spark.log may say why; {_AGAIN}") from error
    except (PySparkException, Py4JError) as error:
        raise VitrineError(f"Spark gave the work up: {cause(error)}; {_AGAIN}") from error


class _First(AccumulatorParam["VitrineError | None"]):
    """Keeps the first error that a task tells the driver."""

    def zero(self, value: VitrineError | None) -> VitrineError | None:
        return value

    def addInPlace(self, value1: VitrineError | None, value2: VitrineError | None) -> VitrineError | None:  # noqa: N802
        return value1 or value2


def _attempt(run: Callable[[str], str], unit: str, told: Accumulator[VitrineError | None]) -> str:
    """The unit's answer; an error that another attempt would meet again is told, since Spark would try what raises."""
    try:
        return run(unit)
    except VitrineError as error:
        if error.retriable:
            raise
        kind = next((kind for kind in _FINAL if isinstance(error, kind)), VitrineError)
        told.add(kind(str(error)))
        return ""


def _collected(answers: DataFrame, told: Accumulator[VitrineError | None], meanwhile: Callable[[], None]) -> list[str]:
    spark, group = answers.sparkSession, uuid4().hex
    executors = Watch(spark)

    def collect() -> list[str]:
        spark.sparkContext.setJobGroup(group, "units")
        return [row[0] for row in answers.collect()]  # one short text a unit

    with ThreadPoolExecutor(1) as pool:
        rows = pool.submit(collect)
        try:
            while not wait([rows], timeout=1.0).done and not told.value:
                meanwhile()
                executors.look()
        finally:
            spark.sparkContext.cancelJobGroup(group)
    if told.value:
        raise told.value
    return rows.result()


def told_by_worker(text: str) -> VitrineError:
    """The error that a worker's traceback ends with."""
    lines = text.splitlines()
    frames = [number for number, line in enumerate(lines) if _FRAME.match(line)]
    after = lines[frames[-1] + 1 :] if frames else lines
    last = next((line for line in after if line.strip() and not line.startswith(" ")), "no reason given")
    kind, _, said = last.partition(": ")
    if kind == "vitrine.errors.Unavailable":
        return Unavailable(said)
    place = _FRAME.match(lines[frames[-1]]) if frames else None
    where = f" ({place[1]}:{place[2]})" if place else ""
    return VitrineError(f"a Python worker failed: {last}{where}; {_AGAIN}")


@contextmanager
def _one_a_task(spark: SparkSession, n: int) -> Iterator[None]:
    """A block in which a table of `n` rows has a task for each."""
    values = {
        "spark.sql.leafNodeDefaultParallelism": str(n),
        "spark.sql.execution.arrow.localRelationThreshold": str(2**31 - 1),  # above it, a task would take 10,000 rows
    }
    before = {key: spark.conf.get(key, None) for key in values}
    for key, value in values.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key, earlier in before.items():
            if earlier is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, earlier)
