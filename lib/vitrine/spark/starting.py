"""The Spark session: one that is running already, or one that is started for a block."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkRuntimeError
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from vitrine.errors import BadInput
from vitrine.spark.causes import cause

_DEFAULTS = {
    "spark.master": "local[*]",
    "spark.ui.enabled": "false",
    "spark.log.level": "WARN",
    "spark.executorEnv.OMP_NUM_THREADS": "1",  # one process per core: more threads would fight
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxBytesPerBatch": "16m",  # a quarter less CPU than 64m for pictures
    "spark.sql.execution.pyspark.udf.faulthandler.enabled": "true",  # native decoders may crash
    "spark.python.udf.pipelined.enabled": "false",  # loses its connection on worker reuse in 4.3.0
    "spark.dynamicAllocation.enabled": "false",
    "spark.locality.wait": "0s",
}


@contextmanager
def session(name: str, properties: Mapping[str, str], *, log: Path | None = None) -> Iterator[SparkSession]:
    """A Spark session for a block.

    One that is running already, as in a notebook, is used as it is and goes on afterwards; `properties` do not reach
    it. Else one is started and ends with the block: `properties` win over those of spark-submit and of
    spark-defaults.conf, and those over our defaults. If that starts a JVM, `log` takes what it says.

    Raises:
        BadInput: Java is missing, or Spark does not start; the text says what to do.
    """
    running = _running()
    if running is not None:
        yield running
        return
    started = _started(name, properties, log)
    try:
        yield started
    finally:
        started.stop()


def slots(spark: SparkSession) -> int:
    """How many tasks run at once."""
    return spark.sparkContext.defaultParallelism


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
        return SparkSession.builder.appName(name).config(conf=_configuration(wanted)).getOrCreate()
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


def _configuration(wanted: Mapping[str, str]) -> SparkConf:
    conf = SparkConf()
    for key, value in _DEFAULTS.items():
        conf.setIfMissing(key, value)
    conf.setAll(list(wanted.items()))
    if str(conf.get("spark.master")).startswith("local"):
        conf.setIfMissing("spark.driver.bindAddress", "127.0.0.1")
        conf.setIfMissing("spark.driver.host", "127.0.0.1")
    return conf
