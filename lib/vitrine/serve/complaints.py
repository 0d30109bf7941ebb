"""Why callers are told to come again, for whoever runs the service."""

import logging
import threading
import time
from collections.abc import Callable

from vitrine.errors import ModelMismatch

logger = logging.getLogger(__name__)

QUIET_S = 60.0
"""How long a class of errors is not logged again."""


class Complaints:
    """Logs the class of an error, once a minute each; only the text of a ModelMismatch, which holds no query."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._logged_s: dict[str, float] = {}

    def hear(self, error: BaseException) -> None:
        """A caller was refused for this error."""
        name, now = type(error).__name__, self._clock()
        with self._lock:
            if name in self._logged_s and now - self._logged_s[name] < QUIET_S:
                return
            self._logged_s[name] = now
        said = f": {error}" if isinstance(error, ModelMismatch) else ""
        logger.warning("not answered error=%s%s", name, said)
