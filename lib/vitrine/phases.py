"""The phases of a run: each is noted in the journal when it begins, and timed."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from vitrine.journal import Journal
from vitrine.telemetry import Stages

logger = logging.getLogger(__name__)


class Phases:
    """The phases of one start of a run."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._stages = Stages()

    @contextmanager
    def phase(self, name: str, **facts: str) -> Iterator[None]:
        """Note what begins with the block, and count the block's time."""
        self._journal.note(name, **facts)
        logger.info("phase %s", name)
        with self._stages.stage(name):
            yield

    def begun(self, name: str) -> int:
        """How often the run began this phase, earlier starts included."""
        return sum(entry.what == name for entry in self._journal.entries())

    def seconds(self) -> Mapping[str, float]:
        """Wall seconds by phase, of this start."""
        return self._stages.seconds()
