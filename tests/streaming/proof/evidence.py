"""What the checker judges: plain values, whatever they were read with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.streaming.proof.wire import Record

Offsets = Mapping[int, int]
"""The next offset of each partition."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a member's journal; `at` is CLOCK_MONOTONIC, which all processes of a machine share, in seconds.

    what        facts (each with the collection that the member feeds)
    outcome     place, outcome: applied, superseded, stale, deleted or dead
    assigned    offsets: where its partitions are read from, the committed ones
    committing  offsets: what a commit is about to say, keys as text
    writing     call, stated: [product_id, version] of each row that is about to go to the store
    written     call: the store has acknowledged that one
    """

    at: float
    member: str
    what: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CommitSample:
    """What the broker said at that moment: the offsets of a group, and where each partition ends."""

    at: float
    group: str
    offsets: Offsets
    ends: Offsets


@dataclass(frozen=True, slots=True)
class Look:
    """What a Strong reader saw through the alias: versions of live products, then those that the ledger calls deleted.

    `error` says why it saw nothing.
    """

    at: float
    collection: str
    live: Mapping[str, int]
    deleted: Mapping[str, int]
    error: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """A collection and its ledger, read Strong; `count` is what count(*) said."""

    group: str
    rows: Sequence[Mapping[str, Any]]
    ledger: Sequence[Mapping[str, Any]]
    count: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The end of a member; a graceful one finished its batch and committed."""

    at: float
    member: str
    graceful: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a run may cost: records done again after a kill, seconds to catch up, seconds without a step."""

    in_flight: int = 1_024
    caught_up_s: float = 60.0
    idle_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything about a run.

    `outages` are moments (from, to) in which the service could not work, or the view not be looked at; `immortal`
    products are never deleted, and each of their versions has a picture.
    """

    records: Sequence[Record]
    dead: Sequence[Record]
    views: Mapping[str, View]
    serving: str
    journal: Sequence[Entry]
    commits: Sequence[CommitSample]
    looks: Sequence[Look] = ()
    stops: Sequence[Stop] = ()
    outages: Sequence[tuple[float, float]] = ()
    healed_at: float = 0.0
    settled_at: float = 0.0
    immortal: frozenset[str] = frozenset()
    bounds: Bounds = Bounds()
