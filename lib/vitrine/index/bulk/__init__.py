"""Bulk import: rows that workers wrote as Parquet are read by the server itself."""

from vitrine.index.bulk.choice import Way, choose
from vitrine.index.bulk.loading import import_rows, outwait, still_running

__all__ = ["Way", "choose", "import_rows", "outwait", "still_running"]
