"""One run of the recommendations: where it writes, which moment it shows, and what it tells at the end."""

from vitrine.recommendation.begun import Begun, lines, opened
from vitrine.recommendation.fitting import FITTED, fitted
from vitrine.recommendation.serving import publish, write_tastes
from vitrine.recommendation.told import Report, page, top_lists, write

__all__ = [
    "FITTED",
    "Begun",
    "Report",
    "fitted",
    "lines",
    "opened",
    "page",
    "publish",
    "top_lists",
    "write",
    "write_tastes",
]
