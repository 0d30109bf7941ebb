"""The Spark session: one that is running already, or one that is started for a block."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkRuntimeError
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from vitrine.errors import BadInput, BadSettings
from vitrine.spark.causes import cause
from vitrine.spark.executors import PATIENCE, await_executors, is_local

_DEFAULTS = {
    "spark.master": "local[*]",
    "spark.ui.enabled": "false",
    "spark.log.level": "WARN",
    "spark.executorEnv.OMP_NUM_THREADS": "1",  # one process per core: more threads would fight
    "spark.executorEnv.CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as nvidia-smi numbers the GPUs that Spark assigns
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxBytesPerBatch": "16m",  # a quarter less CPU than 64m for pictures
    "spark.sql.execution.pyspark.udf.faulthandler.enabled": "true",  # native decoders may crash
    "spark.python.udf.pipelined.enabled": "false",  # loses its connection on worker reuse in 4.3.0
    PATIENCE: "300s",  # images with torch take minutes to arrive
    "spark.locality.wait": "0s",
}
_GPUS = ("spark.task.resource.gpu.amount", "spark.executor.resource.gpu.amount")
_ATTEMPTS = 4  # what a cluster's spark.task.maxFailures is; a local master takes it from its own name only
_ONE_ATTEMPT = re.compile(r"local(\[([^,\]]+)\])?")


@contextmanager
def session(name: str, properties: Mapping[str, str], *, log: Path | None = None) -> Iterator[SparkSession]:
    """A Spark session for a block.

    One that is running already, as in a notebook, is used as it is and goes on afterwards; `properties` do not reach
    it. Else one is started and ends with the block: `properties` win over those of spark-submit and of
    spark-defaults.conf, and those over our defaults. A local master tries a task that fails again, as a cluster does.
    The executors of a cluster are there when the block begins. If that starts a JVM, `log` takes what it says.

    Raises:
        BadInput: Java is missing, or Spark does not start; the text says what to do.
        BadSettings: GPUs are asked of a local master, or dynamic allocation is on.
        Unavailable: no executor comes.
    """
    running = _running()
    if running is not None:
        yield running
        return
    started = _started(name, properties, log)
    try:
        await_executors(started)
        yield started
    finally:
        with suppress(Py4JError, ConnectionError):  # its process may have ended
            started.stop()


def _running() -> SparkSession | None:
    try:
        return SparkSession.active()
    except PySparkRuntimeError:
        return None


def _started(name: str, properties: Mapping[str, str], log: Path | None) -> SparkSession:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    wanted = {key if key.startswith("spark.") else f"spark.{key}": value for key, value in properties.items()}
    try:
        _launch(wanted, log)
        return SparkSession.builder.appName(name).config(conf=configuration(wanted)).getOrCreate()
    except BadSettings:
        raise
    except Exception as error:  # py4j and pyspark raise several unrelated types here
        if "JAVA_GATEWAY_EXITED" in str(error) or isinstance(error, FileNotFoundError):
            raise BadInput(
                "Spark found no Java that it can start: install Java 17 "
                "(apt-get install openjdk-17-jre-headless) or set JAVA_HOME to one"
            ) from error
        raise BadInput(
            f"Spark does not start: {cause(error)}; check --spark.master and the --spark.* properties"
        ) from error


def _launch(wanted: Mapping[str, str], log: Path | None) -> None:
    """Start the JVM, or find that of spark-submit: only then does a SparkConf know what spark-submit was told."""
    if SparkContext._gateway is not None:
        return
    conf = SparkConf(loadDefaults=False).set("spark.ui.showConsoleProgress", "false").setAll(list(wanted.items()))
    with ExitStack() as stack:
        options = {"stderr": stack.enter_context(log.open("ab"))} if log else {}
        gateway = launch_gateway(conf, options)  # type: ignore[no-untyped-call]
        SparkContext._ensure_initialized(gateway=gateway, conf=conf)


def configuration(wanted: Mapping[str, str]) -> SparkConf:
    """What a session is started with: `wanted`, over what Spark was told otherwise, over our defaults.

    Raises:
        BadSettings: tasks would wait for ever, or for executors that come late.
    """
    conf = SparkConf()
    for key, value in _DEFAULTS.items():
        conf.setIfMissing(key, value)
    conf.setAll(list(wanted.items()))
    master = str(conf.get("spark.master"))
    if once := _ONE_ATTEMPT.fullmatch(master):
        conf.setMaster(f"local[{once[2] or 1},{_ATTEMPTS}]")
    if master.startswith("local"):
        conf.setIfMissing("spark.driver.bindAddress", "127.0.0.1")
        conf.setIfMissing("spark.driver.host", "127.0.0.1")
    _refuse_what_would_wait(conf, master)
    return conf


def _refuse_what_would_wait(conf: SparkConf, master: str) -> None:
    gpus = next((key for key in _GPUS if conf.contains(key)), None)
    if gpus and is_local(master):
        raise BadSettings(
            f"{gpus} is set, but {master} assigns no GPUs and its tasks would wait for ever: leave it out "
            "(model.device=auto takes the GPU that torch sees) or name a cluster by --spark.master"
        )
    if str(conf.get("spark.dynamicAllocation.enabled")).lower() == "true":
        raise BadSettings(
            "spark.dynamicAllocation.enabled is true, but the work is cut for the executors that are there when it "
            "starts: set it to false, and spark.executor.instances to how many there shall be"
        )
