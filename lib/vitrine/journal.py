"""What a run has begun, in order: a later start of the run reads from it what must be cleared away first."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from vitrine.storage import Directory

_FOLDER = "journal"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a run began, and the facts noted with it; `at` is ISO 8601 in UTC."""

    what: str
    at: str
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal of one run, kept as small files since no object store can append; one writer at a time."""

    run: Directory

    def note(self, what: str, **facts: str) -> None:
        """Write down what begins now; another process can read it when this returns."""
        entry = {"what": what, "at": datetime.now(UTC).isoformat(), "facts": facts}
        number = len(self.run.names(_FOLDER)) + 1
        self.run.write(f"{_FOLDER}/{number:06d}-{what}.json", json.dumps(entry).encode())

    def entries(self) -> list[Entry]:
        """Everything that was noted, the earliest first."""
        return [Entry(**json.loads(self.run.read(name))) for name in self.run.names(_FOLDER)]
