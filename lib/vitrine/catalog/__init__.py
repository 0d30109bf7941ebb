"""The catalogue: Parquet columns in, units of work and pictures out."""

from vitrine.catalog.columns import Layout
from vitrine.catalog.plan_file import PLAN, read_plan, read_unit, write_plan
from vitrine.catalog.planning import Plan, plan
from vitrine.catalog.reader import Picture, read
from vitrine.catalog.sources import find
from vitrine.catalog.units import Piece, Unit, narrowed

__all__ = [
    "PLAN",
    "Layout",
    "Picture",
    "Piece",
    "Plan",
    "Unit",
    "find",
    "narrowed",
    "plan",
    "read",
    "read_plan",
    "read_unit",
    "write_plan",
]
