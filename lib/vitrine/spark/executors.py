"""The executors of a session: waiting for them, how many tasks they run at once, and noticing that none is left."""

import logging
import time

from pyspark.sql import SparkSession

from vitrine.errors import Unavailable

logger = logging.getLogger(__name__)

PATIENCE = "spark.scheduler.maxRegisteredResourcesWaitingTime"
"""Spark's property for how long executors are waited for."""

_QUIET_S = 5.0
_LOOK_S = 0.1


class Watch:
    """Looks whether a session has executors, and loses patience with one that has had none for too long."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._patience_s = int(spark.sparkContext._jsc.sc().conf().getTimeAsSeconds(PATIENCE, "300s"))
        self._seen = time.monotonic()

    def look(self) -> int:
        """How many tasks run at once just now.

        Raises:
            Unavailable: there has been no executor for as long as `PATIENCE` says.
        """
        now, found = time.monotonic(), _slots(self._spark)
        if found:
            self._seen = now
        elif now - self._seen > self._patience_s:
            raise Unavailable(
                f"Spark has had no executor for {self._patience_s} s ({PATIENCE}): see whether the cluster is up and "
                "has the cores, memory and GPUs that --spark.executor.* asks for"
            )
        return found


def await_executors(spark: SparkSession) -> None:
    """Wait for the executors of a cluster: until one is there, and then until no other came for five seconds.

    On Kubernetes and YARN, Spark itself has waited for most of those asked for; of a standalone cluster it does not
    know how many come.

    Raises:
        Unavailable: none came.
    """
    master = str(spark.sparkContext.master)
    if is_local(master):
        return
    watch, found, changed = Watch(spark), 0, time.monotonic()
    while not found or time.monotonic() - changed < _QUIET_S:
        time.sleep(_LOOK_S)
        if (now_there := watch.look()) != found:
            found, changed = now_there, time.monotonic()
    logger.info("spark on %s: %d tasks at once", master, found)


def slots(spark: SparkSession) -> int:
    """How many tasks run at once on the executors that are there, by their cores and GPUs; at least one."""
    return max(_slots(spark), 1)


def is_local(master: str) -> bool:
    """Whether tasks run in the driver's own JVM, where Spark assigns no GPUs; `local-cluster` has executors."""
    return master.partition("[")[0] == "local"


def _slots(spark: SparkSession) -> int:
    # defaultParallelism counts cores, whatever a task takes, and never says less than two.
    context = spark.sparkContext._jsc.sc()
    return int(context.maxNumConcurrentTasks(context.resourceProfileManager().defaultResourceProfile()))
