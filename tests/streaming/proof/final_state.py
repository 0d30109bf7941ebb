"""I1, I6, I8, I10: what stands in the end, in the view and among the dead letters."""

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from tests.streaming.proof.evidence import Evidence, View
from tests.streaming.proof.expected import Expected, ends, pictures
from tests.streaming.proof.violation import Violation
from tests.streaming.proof.wire import DEAD, FACTS, PARTLY, Record, read
from vitrine.embedding import Embedder, Vectors

LEAST_COSINE = 0.9999


def vectors(evidence: Evidence, embedder: Embedder) -> dict[str, Vectors]:
    """The vector of every picture of the topic that can be embedded, by its hash."""
    found: dict[str, Vectors] = {}
    for batch in embedder.embed(pictures(evidence.records).items()):
        good = [key for key, reject in zip(batch.keys, batch.rejects, strict=True) if reject is None]
        found |= dict(zip(good, batch.vectors, strict=True))
    return found


def the_view_states_the_newest(evidence: Evidence, embedder: Embedder) -> Iterator[Violation]:
    """I1, I8, I10 for the view that is served."""
    known = vectors(evidence, embedder)
    view = evidence.views[evidence.serving]
    yield from _keys(view)
    rows: dict[str, dict[int, Mapping]] = {}
    for row in view.rows:
        rows.setdefault(row["product_id"], {})[row["position"]] = row
    ledger = {row["product_id"]: row for row in view.ledger}
    expected = ends(evidence.records, known)
    for product_id in sorted(rows.keys() - expected.keys() | ledger.keys() - expected.keys()):
        yield Violation("I1", "orphan", f"{product_id} was never stated")
    for product_id, end in expected.items():
        yield from _product(product_id, end, rows.get(product_id, {}), ledger.get(product_id), known)


def _keys(view: View) -> Iterator[Violation]:
    for key, n in Counter(row["image_id"] for row in view.rows).items():
        if n > 1:
            yield Violation("I8", "double", f"{key} has {n} rows")
    for product_id, n in Counter(row["product_id"] for row in view.ledger).items():
        if n > 1:
            yield Violation("I8", "double", f"{product_id} has {n} ledger rows")
    for row in view.rows:
        if row["image_id"] != f"{row['product_id']}/{row['position']}":
            yield Violation("I8", "double", f"{row['image_id']} is the key of {row['product_id']}/{row['position']}")
    if view.count != len(view.rows):
        yield Violation("I8", "double", f"count(*) says {view.count}, {len(view.rows)} rows are read")


def _product(
    product_id: str, end: Expected, rows: Mapping[int, Mapping], ledger: Mapping | None, known: Mapping[str, Vectors]
) -> Iterator[Violation]:
    newest = end.newest
    if newest.deleted:
        yield from _gone(product_id, newest.version, rows, ledger)
        return
    missing = {position: what for position, what, _ in ledger["missing"]["images"]} if ledger else {}
    for position, what in enumerate(newest.images):
        if position in end.owed and position not in rows:
            yield Violation("I1", "lost", f"{product_id}/{position} has no row")
        if position in end.hopeless and position in rows:
            yield Violation("I10", "wrong vector", f"{product_id}/{position} has a row, its picture never came")
        if position not in rows and missing.get(position) != what:
            yield Violation("I1", "lost", f"{product_id}/{position} has neither a row nor an entry in the ledger")
        if position in rows and position in missing:
            yield Violation("I1", "ledger", f"{product_id}/{position} has a row and is said to be missing")
    for position, row in rows.items():
        yield from _row(product_id, end, position, row, known)
    speechless = not rows or len(rows) < len(newest.images)
    yield from _ledger(product_id, newest.version, ledger, speechless, set(missing) - set(range(len(newest.images))))


def _gone(product_id: str, version: int, rows: Mapping[int, Mapping], ledger: Mapping | None) -> Iterator[Violation]:
    for position, row in rows.items():
        kind = "stale" if row["version"] < version else "resurrected"
        yield Violation(
            "I3", "resurrected", f"{product_id}/{position} of {row['version']}, {kind}: deleted at {version}"
        )
    if ledger is None:
        yield Violation("I1", "lost", f"{product_id}: the ledger does not know that it is deleted")
    elif (ledger["version"], ledger["deleted"]) != (version, True):
        yield Violation(
            "I1",
            "stale",
            f"{product_id}: the ledger says {ledger['version']}, deleted {ledger['deleted']}, not {version}",
        )


def _row(
    product_id: str, end: Expected, position: int, row: Mapping, known: Mapping[str, Vectors]
) -> Iterator[Violation]:
    newest, place = end.newest, f"{product_id}/{position}"
    if row["version"] != newest.version:
        yield Violation("I1", "stale", f"{place} is of version {row['version']}, the newest is {newest.version}")
    if position >= len(newest.images):
        yield Violation("I1", "orphan", f"{place}: version {newest.version} lists {len(newest.images)} pictures")
        return
    if row["image_sha256"] != newest.images[position]:
        yield Violation("I10", "wrong vector", f"{place} has picture {row['image_sha256'][:8]}")
    right = known.get(newest.images[position])
    if right is None or float(np.dot(right, np.asarray(row["vector"], dtype=np.float32))) < LEAST_COSINE:
        yield Violation("I10", "wrong vector", f"{place} has another vector than its picture")
    wrong = [name for name in FACTS if row[name] != newest.facts[name]]
    if wrong and row["version"] == newest.version:
        yield Violation("I1", "stale", f"{place} states another {', '.join(wrong)}")


def _ledger(
    product_id: str, version: int, ledger: Mapping | None, speechless: bool, beyond: set[int]
) -> Iterator[Violation]:
    if ledger is None:
        if speechless:
            yield Violation("I1", "lost", f"{product_id}: the ledger does not say what is missing")
        return
    if not speechless:
        yield Violation("I1", "ledger", f"{product_id} has all its rows and a ledger row of {ledger['version']}")
    if ledger["deleted"] or ledger["version"] != version:
        said = f"{ledger['version']}, deleted {ledger['deleted']}"
        yield Violation("I1", "stale", f"{product_id}: the ledger says {said}, not {version}")
    if beyond:
        yield Violation("I1", "orphan", f"{product_id}: positions {sorted(beyond)} are missing and not listed")


def bad_records_are_kept(evidence: Evidence) -> Iterator[Violation]:
    """I6: every bad record is among the dead letters as it came, and no good one of a product that is always whole."""
    kept: dict[tuple[int, int], list[Record]] = {}
    for letter in evidence.dead:
        headers = dict(letter.headers)
        place = int(headers["x-dlq.partition"]), int(headers["x-dlq.offset"])
        kept.setdefault(place, []).append(letter)
    known = {record.place: record for record in evidence.records}
    # A picture that is only named may be missing; then the record that is kept is the last that brought its bytes.
    partial = {record.key for record in evidence.records if record.label != DEAD and _names_only(record)}
    for place in kept.keys() - known.keys():
        yield Violation("I6", "dead letter", f"of {place}, where no record is")
    for place, record in known.items():
        if record.label in (DEAD, PARTLY) and place not in kept:
            yield Violation("I6", "lost", f"{record.label} record {place} is not among the dead letters")
        if not record.label and place in kept and record.key not in partial:
            yield Violation("I6", "dead letter", f"good record {place} is among the dead letters")
        for letter in kept.get(place, []):
            if not _same(letter, record):
                yield Violation("I6", "dead letter", f"of {place} has other bytes, key or headers")


def _names_only(record: Record) -> bool:
    listing = read(record)
    return not set(listing.images) <= set(listing.pictures)


def _same(letter: Record, record: Record) -> bool:
    own = [header for header in letter.headers if not header[0].startswith("x-dlq.")]
    return (letter.key, letter.value, own) == (record.key, record.value, list(record.headers))
