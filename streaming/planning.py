"""What is to be done for a product, given what a view states of it: the guard, and the event to be applied."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from pydantic import ValidationError

from streaming.changes import Change
from vitrine.embedding import Vectors
from vitrine.events import ListingEvent
from vitrine.index.rows import Row
from vitrine.index.schema import IMAGE_ID, IMAGE_SHA256, VECTOR, VERSION
from vitrine.index.stated import Stated
from vitrine.product import deletion_wins, is_stale


@dataclass(frozen=True, slots=True)
class Plan:
    """A change that is to be made, and what the view states of its product, as read with vectors.

    `event` is applied: the change's own, or the one that the view states, where a change that comes too late brings
    pictures which that lacks.
    """

    change: Change
    stated: Stated
    event: ListingEvent

    @property
    def fills(self) -> bool:
        """Whether a change that comes too late fills gaps of the present version."""
        return self.event is not self.change.event

    @property
    def rows(self) -> list[Row]:
        """Rows of the product whose pictures it still has; all of them are in the view."""
        since = self.change.deleted_at
        rows = self.stated.rows.values()
        return [row for row in rows if since is None or not deletion_wins(cast(int, row[VERSION]), since)]

    @property
    def vectors(self) -> Mapping[str, Vectors]:
        """Vectors by hash for which no bytes are needed."""
        of_rows = {cast(str, row[IMAGE_SHA256]): cast(Vectors, row[VECTOR]) for row in self.rows}
        return {**of_rows, **self.change.vectors}


def plan(change: Change, stated: Stated) -> Plan | None:
    """What is to be done for a change; None if the view states something newer, and lacks nothing that it brings."""
    event = lacking(change, stated) if is_outdated(change.event, stated) else change.event
    return None if event is None else Plan(change, stated, event)


def is_outdated(event: ListingEvent, stated: Stated) -> bool:
    """Whether the view states something newer than the event: a higher version, or its product's delete at the same."""
    if stated.version is None:
        return False
    if is_stale(event.version, than=stated.version):
        return True
    return event.op != "delete" and stated.deleted and deletion_wins(event.version, stated.version)


def lacking(change: Change, stated: Stated) -> ListingEvent | None:
    """The event whose state the view holds, if that lacks pictures which the change brings."""
    row = stated.ledger
    if row is None or row.version != stated.version or not row.statement:
        return None
    if not any(what in change.pictures or what in change.vectors for _, what, _ in row.missing):
        return None
    try:
        return ListingEvent.model_validate_json(row.statement)
    except ValidationError:  # of another version of this program
        return None


def gone(stated: Stated, rows: Iterable[Row]) -> tuple[str, ...]:
    """Keys of the rows that the view has, as read just now, and that are not among those to be written."""
    written = {row[IMAGE_ID] for row in rows}
    return tuple(key for key in stated.rows if key not in written)
