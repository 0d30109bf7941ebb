"""Spark: the session, what a task may use, and the two pandas UDFs that run an embedder on executors."""

from vitrine.spark.executors import slots
from vitrine.spark.pictures import EMBEDDED, embed
from vitrine.spark.starting import session
from vitrine.spark.tables import as_parquet, is_table
from vitrine.spark.tasks import assigned_cores, assigned_device, in_task, run_units

__all__ = [
    "EMBEDDED",
    "as_parquet",
    "assigned_cores",
    "assigned_device",
    "embed",
    "in_task",
    "is_table",
    "run_units",
    "session",
    "slots",
]
