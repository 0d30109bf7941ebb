"""Spark: the session, what a task may use, and the two pandas UDFs that run an embedder on executors."""

from vitrine.spark.pictures import EMBEDDED, embed
from vitrine.spark.starting import session, slots
from vitrine.spark.tasks import assigned_device, run_units

__all__ = ["EMBEDDED", "assigned_device", "embed", "run_units", "session", "slots"]
