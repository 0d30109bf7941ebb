"""One run of the recommendations: where it writes, which moment it shows, and what it tells at the end."""

from vitrine.recommendation.begun import Begun, lines, opened
from vitrine.recommendation.serving import publish, write_tastes
from vitrine.recommendation.told import Report, page, write

__all__ = ["Begun", "Report", "lines", "opened", "page", "publish", "write", "write_tastes"]
