"""I4, I5, I11, I12: what became of every record, by a ledger of each offset.

A final state hides a lost event as soon as a later one of its product comes; this does not. What a member says of a
record counts only if the store's own log, or the dead letters, bear it out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise

from tests.streaming.proof.evidence import Entry, Evidence, Offsets, Stop
from tests.streaming.proof.violation import Violation
from tests.streaming.proof.wire import DEAD, Listing, Record, read

Place = tuple[int, int]
Written = Mapping[str, list[tuple[float, int]]]


def outcomes(evidence: Evidence) -> dict[str, dict[Place, list[Entry]]]:
    """By collection and record what members said of its end, the earliest first."""
    said: dict[str, dict[Place, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in evidence.journal:
        if entry.what == "outcome":
            said[entry.facts["collection"]][tuple(entry.facts["place"])].append(entry)
    return said


def committed_is_done(evidence: Evidence) -> Iterator[Violation]:
    """I4: at every moment, so at any kill, all that stands below a committed offset had been finished before."""
    said = outcomes(evidence)
    for collection, view in evidence.views.items():
        checked: dict[int, int] = defaultdict(int)
        for at, offsets in _commits(evidence, collection, view.group):
            for partition, upto in offsets.items():
                for offset in range(checked[partition], upto):
                    ended = said[collection].get((partition, offset))
                    if not ended or ended[0].at > at:
                        yield Violation("I4", "lost", f"{collection}: {(partition, offset)} is committed and not done")
                checked[partition] = max(checked[partition], upto)


def _commits(evidence: Evidence, collection: str, group: str) -> list[tuple[float, Offsets]]:
    """What members were about to commit, and what the broker said, in the order of time."""
    by_members = [
        (entry.at, {int(partition): offset for partition, offset in entry.facts["offsets"].items()})
        for entry in evidence.journal
        if entry.what == "committing" and entry.facts["collection"] == collection
    ]
    by_broker = [(sample.at, sample.offsets) for sample in evidence.commits if sample.group == group]
    return sorted([*by_members, *by_broker], key=lambda one: one[0])


def every_record_ends(evidence: Evidence) -> Iterator[Violation]:
    """I5: each offset of the topic has ended in the served view, and truly so."""
    said = outcomes(evidence)[evidence.serving]
    written = _written(evidence, evidence.serving)
    for record in evidence.records:
        if record.place not in said:
            yield Violation("I5", "lost", f"{record.place} has no outcome")
        for entry in said.get(record.place, []):
            yield from _truly(record, entry, written)


def _truly(record: Record, entry: Entry, written: Written) -> Iterator[Violation]:
    outcome = entry.facts["outcome"]
    if (outcome == "dead") != (record.label == DEAD):
        yield Violation("I5", "lost", f"{record.place} is {record.label or 'good'}, its outcome {outcome}")
    elif outcome != "dead" and not _borne_out(read(record), entry.at, written):
        yield Violation("I5", "lost", f"{record.place} is {outcome}, but no such version had been written")


def _borne_out(listing: Listing, at: float, written: Written) -> bool:
    return any(when <= at and version >= listing.version for when, version in written.get(listing.product_id, ()))


def _written(evidence: Evidence, collection: str) -> Written:
    """When the store took which version of a product; a call whose end nobody saw may have come through."""
    acknowledged = {
        (entry.member, entry.facts["call"]): entry.at for entry in evidence.journal if entry.what == "written"
    }
    taken: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for entry in evidence.journal:
        if entry.what == "writing" and entry.facts["collection"] == collection:
            at = acknowledged.get((entry.member, entry.facts["call"]), entry.at)
            for product_id, version in entry.facts["stated"]:
                taken[product_id].append((at, version))
    return taken


def commits_never_fall(evidence: Evidence) -> Iterator[Violation]:
    """I11."""
    highest: dict[tuple[str, int], int] = {}
    for sample in evidence.commits:
        for partition, offset in sample.offsets.items():
            before = highest.get((sample.group, partition), offset)
            if offset < before:
                yield Violation("I11", "commit", f"{sample.group}/{partition} falls from {before} to {offset}")
            highest[sample.group, partition] = max(offset, before)


def little_is_done_again(evidence: Evidence) -> Iterator[Violation]:
    """I12: after a graceful stop nothing is done twice, after a kill at most what was in flight."""
    again = Counter(
        stop
        for done in outcomes(evidence).values()
        for entries in done.values()
        for earlier, later in pairwise(entries)
        if (stop := _stop_between(evidence, earlier, later))
    )
    for stop, records in again.items():
        if records > (0 if stop.graceful else evidence.bounds.in_flight):
            how = "stopped" if stop.graceful else "was killed"
            yield Violation("I12", "again", f"{records} records were done again after {stop.member} {how}")


def _stop_between(evidence: Evidence, earlier: Entry, later: Entry) -> Stop | None:
    """The stop that made a record come again, unless the member had lost its place by a rebalance before."""
    stops = (stop for stop in evidence.stops if stop.member == earlier.member and earlier.at <= stop.at <= later.at)
    stop = next(stops, None)
    moved = stop and any(
        entry.what == "assigned" and entry.member == stop.member and earlier.at <= entry.at <= stop.at
        for entry in evidence.journal
    )
    return None if moved else stop
