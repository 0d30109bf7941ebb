"""I2, I3, I7, I9, I13: what clients and operators see while it runs."""

from collections import defaultdict
from collections.abc import Iterator

from tests.streaming.proof.evidence import CommitSample, Evidence, Look
from tests.streaming.proof.violation import Violation


def versions_never_fall(evidence: Evidence) -> Iterator[Violation]:
    """I2: no product gets older; I3: what was gone after its delete comes back only above its version."""
    newest: dict[tuple[str, str], int] = {}
    gone: dict[tuple[str, str], int] = {}
    for look, following in _pairs(evidence):
        for product_id, version in look.live.items():
            key = (look.collection, product_id)
            stays = following.live.get(product_id) == version
            if stays and version < newest.get(key, version):
                yield Violation("I2", "stale", f"{product_id} falls from {newest[key]} to {version}")
            if stays and version <= gone.get(key, version - 1):
                yield Violation("I3", "resurrected", f"{product_id} is back at {version}, deleted at {gone[key]}")
            newest[key] = max(version, newest.get(key, version))
        # A delete writes the ledger before it takes the rows: only what was seen to be gone must stay so.
        for product_id, version in look.deleted.items():
            if product_id not in look.live:
                gone[look.collection, product_id] = max(version, gone.get((look.collection, product_id), version))


def searches_answer(evidence: Evidence) -> Iterator[Violation]:
    """I9: the alias always resolves, no look fails, and products that are never deleted stay in sight."""
    seen: dict[str, set[str]] = defaultdict(set)
    for look in _clear(evidence):
        if look.error:
            yield Violation("I9", "search", look.error)
    for look, following in _pairs(evidence):
        here = evidence.immortal & (look.live.keys() | following.live.keys())
        if vanished := seen[look.collection] - here:
            yield Violation("I9", "lost", f"{len(vanished)} products vanished from {look.collection}: {min(vanished)}")
        seen[look.collection] |= evidence.immortal & look.live.keys()


def _pairs(evidence: Evidence) -> Iterator[tuple[Look, Look]]:
    """Each look with the next one of its collection, and the last with itself.

    Milvus 2.3.5 now and then shows even a Strong reader rows that were replaced long before, while their keys are being
    written again: 37 of 355 reads beside a busy writer. What is wrong in the view itself is wrong in the next look too.
    """
    answered: dict[str, list[Look]] = defaultdict(list)
    for look in _clear(evidence):
        if not look.error:
            answered[look.collection].append(look)
    for looks in answered.values():
        yield from zip(looks, [*looks[1:], looks[-1]], strict=True)


def nothing_idles(evidence: Evidence) -> Iterator[Violation]:
    """I7: in the end all is committed, soon after the last fault; I13: till then every partition that lags moves."""
    group = evidence.views[evidence.serving].group
    samples = [sample for sample in evidence.commits if sample.group == group]
    committed = samples[-1].offsets if samples else {}
    for partition, end in _ends(evidence).items():
        if committed.get(partition, 0) != end:
            yield Violation(
                "I7", "lag", f"partition {partition} is committed to {committed.get(partition, 0)} of {end}"
            )
    took, allowed = evidence.settled_at - evidence.healed_at, evidence.bounds.caught_up_s
    if took > allowed:
        yield Violation("I7", "lag", f"caught up {took:.0f} s after the last fault, {allowed:.0f} s are allowed")
    yield from _idle(evidence, samples)


def _ends(evidence: Evidence) -> dict[int, int]:
    ends: dict[int, int] = defaultdict(int)
    for record in evidence.records:
        ends[record.partition] = max(ends[record.partition], record.offset + 1)
    return ends


def _idle(evidence: Evidence, samples: list[CommitSample]) -> Iterator[Violation]:
    moved: dict[int, tuple[int, float]] = {}
    for sample in samples:
        for partition, end in sample.ends.items():
            offset = sample.offsets.get(partition, 0)
            before, at = moved.get(partition, (offset, sample.at))
            if offset != before or offset == end or _hidden(evidence, sample.at):
                at = sample.at
            moved[partition] = offset, at
            if sample.at - at > evidence.bounds.idle_s:
                yield Violation("I13", "idle", f"partition {partition} stood at {offset} for {sample.at - at:.0f} s")
                moved[partition] = offset, sample.at


def _clear(evidence: Evidence) -> list[Look]:
    return [look for look in evidence.looks if not _hidden(evidence, look.at)]


def _hidden(evidence: Evidence, at: float) -> bool:
    return any(start <= at <= end for start, end in evidence.outages)
