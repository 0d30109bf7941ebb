"""What the checker finds."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that must not be; `kind` is what the issue counts: lost, resurrected, stale, wrong vector, orphan."""

    invariant: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.kind}: {self.text}"


def counted(violations: Iterable[Violation]) -> Counter[str]:
    """How many of each kind."""
    return Counter(violation.kind for violation in violations)


def told(violations: Iterable[Violation], most: int = 20) -> str:
    """How many of each kind, and the first ones; empty if there are none."""
    found = list(violations)
    return "\n".join([str(dict(counted(found))), *map(str, found[:most])]) if found else ""
