"""Work on executors: one unit a task, and what went wrong there in one line."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

import pandas as pd
import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark import TaskContext
from pyspark.errors import PySparkException, PythonException
from pyspark.sql import SparkSession
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import StringType

from vitrine.errors import BadInput, BadSettings, Unavailable, VitrineError
from vitrine.spark.causes import cause

_OURS: Mapping[str, type[VitrineError]] = {
    "vitrine.errors.BadInput": BadInput,
    "vitrine.errors.ModelMismatch": BadInput,
    "vitrine.errors.BadSettings": BadSettings,
    "vitrine.errors.Unavailable": Unavailable,
}
_FRAME = re.compile(r'  File "(?:.*/)?([^"]+)", line (\d+)')
_AGAIN = "the same --run goes on with the units that are left"


def in_task() -> bool:
    """Whether this is a Python worker that runs a task."""
    return TaskContext.get() is not None


def assigned_device() -> str | None:
    """The GPU that Spark assigned to this task, such as `cuda:1`; None outside a task or without one."""
    context = TaskContext.get()
    gpus = context.resources().get("gpu") if context else None
    return f"cuda:{gpus.addresses[0]}" if gpus and gpus.addresses else None


def run_units(
    spark: SparkSession, units: Sequence[str], run: Callable[[str], str], *, meanwhile: Callable[[], None]
) -> list[str]:
    """Run every unit on the executors, one a task, started in order; returns their answers in the same order.

    `run` is called in a Python worker with a unit's text and returns text; a cluster tries a task that fails again,
    so `run` must be idempotent. `meanwhile` is called about once a second until all are done.

    Raises:
        VitrineError: a unit failed; an error of ours as it was raised there, of another one the last line and place.
    """
    if not units:
        return []

    @pandas_udf(StringType())  # type: ignore[call-overload,untyped-decorator]  # the stubs lack this form
    def answer(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for batch in batches:
            yield batch.map(run)

    # Above the threshold Spark would put 10,000 units into one task.
    one_a_task = {
        "spark.sql.leafNodeDefaultParallelism": str(len(units)),
        "spark.sql.execution.arrow.localRelationThreshold": str(2**31 - 1),
    }
    with _configured(spark, one_a_task):
        answers = spark.createDataFrame(pa.table({"unit": pa.array(units, pa.string())})).select(answer("unit"))
        with ThreadPoolExecutor(1) as pool:
            rows = pool.submit(answers.collect)  # one short text a unit
            while not wait([rows], timeout=1.0).done:
                meanwhile()
    try:
        return [row[0] for row in rows.result()]
    except PythonException as error:
        raise told_by_worker(str(error)) from error
    except (PySparkException, Py4JError) as error:
        raise VitrineError(f"Spark gave the work up: {cause(error)}; {_AGAIN}") from error


def told_by_worker(text: str) -> VitrineError:
    """The error that a worker's traceback ends with."""
    lines = text.splitlines()
    frames = [number for number, line in enumerate(lines) if _FRAME.match(line)]
    after = lines[frames[-1] + 1 :] if frames else lines
    last = next((line for line in after if line.strip() and not line.startswith(" ")), "no reason given")
    kind, _, said = last.partition(": ")
    if kind in _OURS:
        return _OURS[kind](said)
    place = _FRAME.match(lines[frames[-1]]) if frames else None
    where = f" ({place[1]}:{place[2]})" if place else ""
    return VitrineError(f"a Python worker failed: {last}{where}; {_AGAIN}")


@contextmanager
def _configured(spark: SparkSession, values: Mapping[str, str]) -> Iterator[None]:
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
