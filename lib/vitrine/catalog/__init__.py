"""The catalogue: Parquet columns in, units of work and pictures out."""

from vitrine.catalog.columns import Layout
from vitrine.catalog.plan_file import read_plan, write_plan
from vitrine.catalog.planning import Plan, plan
from vitrine.catalog.reader import Picture, read
from vitrine.catalog.sources import find
from vitrine.catalog.units import Unit

__all__ = ["Layout", "Picture", "Plan", "Unit", "find", "plan", "read", "read_plan", "write_plan"]
