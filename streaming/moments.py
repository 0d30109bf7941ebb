"""What happens to records, as values: metrics are made of these, and tests stop the service at one of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a record ended."""

    APPLIED = "applied"
    SUPERSEDED = "superseded"  # its batch held a newer event of the product
    STALE = "stale"  # the view states a higher version
    DELETED = "deleted"
    DEAD = "dead"  # it is in the dead letters


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a record is in its topic."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Following:
    """The service feeds this view from now on."""

    collection: str
    model_id: str


@dataclass(frozen=True, slots=True)
class Assigned:
    """Partitions came to this member, which reads them from these offsets."""

    offsets: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Polled:
    """Records came and are accounted for; nothing was done with them yet."""

    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Batched:
    """A batch begins; `age_s` is how long its oldest record waited for it."""

    products: tuple[str, ...]
    records: int
    size_bytes: int
    age_s: float


@dataclass(frozen=True, slots=True)
class Embedded:
    """The vectors of these products are there, after so many pictures were embedded; nothing of them is written."""

    products: tuple[str, ...]
    pictures: int = 0


@dataclass(frozen=True, slots=True)
class RowsWritten:
    """Half of what these products need is written: their rows, or of deleted ones the ledger."""

    products: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LedgerWritten:
    """All that these products need is written; their records are not settled yet."""

    products: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """A record has ended, and its offset may be committed; of a dead one product, version and time are not known.

    `reasons` says why the record, or pictures of it, are among the dead letters, `cut` counts texts that were too long.
    """

    place: Place
    outcome: Outcome
    product_id: str = ""
    version: int = -1
    event_us: int = 0
    reasons: tuple[str, ...] = ()
    cut: int = 0


@dataclass(frozen=True, slots=True)
class DeadLetterSent:
    """A record is on its way to the dead letters."""

    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class DeadLetterAcknowledged:
    """A record is in the dead letters; it is not settled yet."""

    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class Committing:
    """These offsets, by partition, are about to be committed."""

    offsets: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Committed:
    """The broker has acknowledged these offsets."""

    offsets: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Revoking:
    """Partitions are about to leave this member; nothing was drained or committed yet."""

    partitions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """The group took this member for dead, and gave its partitions away."""

    partitions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Retried:
    """Something failed and is tried again after a pause: `where` is one of milvus, kafka, dead_letters, alias."""

    where: str
    error: str


@dataclass(frozen=True, slots=True)
class Gauged:
    """What is under way, about once a second; `oldest_us` is when the oldest of it was produced, 0 where there is none.

    `lag` says by partition how many records of the log have not ended.
    """

    records: int
    size_bytes: int
    oldest_us: int
    lag: Mapping[int, int]
    paused: bool


@dataclass(frozen=True, slots=True)
class Restored:
    """The settle check found that the view fell behind this version, and applies it again."""

    product_id: str
    version: int


Moment = (
    Following
    | Assigned
    | Polled
    | Batched
    | Embedded
    | RowsWritten
    | LedgerWritten
    | Settled
    | DeadLetterSent
    | DeadLetterAcknowledged
    | Committing
    | Committed
    | Revoking
    | Lost
    | Retried
    | Gauged
    | Restored
)

Watch = Callable[[Moment], None]
"""Is told of each moment in the thread where it happens, and must be quick; what it raises ends the service."""


def unwatched(moment: Moment) -> None:
    """A Watch that looks away."""
