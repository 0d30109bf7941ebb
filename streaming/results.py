"""What became of a product's records once its change was applied."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streaming.applying import Applied
from streaming.changes import Rejected, carrier
from streaming.moments import Outcome
from streaming.records import Delivery, Taken


@dataclass(frozen=True, slots=True)
class Result:
    """How a record ended, the pictures for which it is a dead letter too, and how many of its texts were cut."""

    record: Taken
    outcome: Outcome
    version: int
    event_us: int
    rejects: tuple[Rejected, ...]
    cut: int


def results(applied: Applied, deliveries: Sequence[Delivery]) -> Iterator[Result]:
    """The end of each record of a product, in the order in which they came.

    The one whose version stands ends as the product did, all others are superseded.
    """
    came = [(one.record, one.listing) for one in deliveries if one.record and one.listing]
    listings = [listing for _, listing in came]
    to_bury: dict[int, list[Rejected]] = {}
    for rejected in applied.rejects if came else ():
        to_bury.setdefault(carrier(listings, rejected), []).append(rejected)
    stands = _standing(applied, deliveries)
    for place, (record, listing) in enumerate(came):
        yield Result(
            record,
            applied.outcome if record is stands else Outcome.SUPERSEDED,
            listing.event.version,
            listing.event.event_us,
            tuple(to_bury.get(place, ())),
            applied.cut if record is stands else 0,
        )


def _standing(applied: Applied, deliveries: Sequence[Delivery]) -> Taken | None:
    """The record whose version was applied: of equal ones a delete, else the later."""
    candidates = [one for one in deliveries if one.change.event.version == applied.version]
    deletes = [one for one in candidates if one.change.deletes]
    return (deletes or candidates)[-1].record
