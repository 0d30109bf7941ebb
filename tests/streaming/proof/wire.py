"""Records of the topic, written and read by the design's words alone: nothing here knows the service's own code."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

EVENT_HEADER = "vitrine-event"
LABEL_HEADER = "proof"
"""Says what must become of a planted bad record; the service ignores headers that it does not know."""
DEAD = "dead"
PARTLY = "partly"

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """What a producer hands over; the label is DEAD, PARTLY (dead and applied for the rest) or empty."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    @property
    def label(self) -> str:
        return dict(self.headers).get(LABEL_HEADER, b"").decode()


@dataclass(frozen=True, slots=True)
class Record(Sent):
    """What a partition holds."""

    partition: int = 0
    offset: int = 0

    @property
    def place(self) -> tuple[int, int]:
        return self.partition, self.offset


@dataclass(frozen=True, slots=True)
class Listing:
    """A good record, read: `images` are hashes or addresses by position, `pictures` the bytes that came along."""

    product_id: str
    version: int
    deleted: bool
    images: tuple[str, ...] = ()
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)


FACTS = ("title", "category", "brand", "price", "in_stock", "attributes", "event_us")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def upsert(
    product_id: str,
    version: int,
    images: Sequence[bytes],
    *,
    without: Sequence[int] = (),
    facts: Mapping[str, object] | None = None,
    labelled: str = "",
    declared: Mapping[int, str] | None = None,
) -> Sent:
    """An upsert of these pictures; those at the positions `without` are named by their hash only."""
    stated = [
        {"sha256": (declared or {}).get(i, sha256(image)), "size_bytes": 0 if i in without else len(image)}
        for i, image in enumerate(images)
    ]
    event = _event("upsert", product_id, version, facts) | {"images": stated}
    value = b"".join(image for i, image in enumerate(images) if i not in without)
    return Sent(product_id.encode(), value, labelled_headers(event, labelled))


def delete(product_id: str, version: int, *, tombstone: bool = False) -> Sent:
    """A delete, as an event or as a null value."""
    if tombstone:
        return Sent(product_id.encode(), None, (("version", str(version).encode()),))
    event = _event("delete", product_id, version, None)
    return Sent(product_id.encode(), json.dumps(event).encode())


def named_only(sent: Sent) -> Sent:
    """The same upsert without the bytes of its pictures."""
    event = json.loads(dict(sent.headers)[EVENT_HEADER])
    images = [{**image, "size_bytes": 0} for image in event["images"]]
    return Sent(sent.key, b"", labelled_headers(event | {"images": images}))


def labelled_headers(event: Mapping[str, object], label: str = "") -> Headers:
    """The event as a header, and the label where there is one."""
    headers = ((EVENT_HEADER, json.dumps(event).encode()),)
    return (*headers, (LABEL_HEADER, label.encode())) if label else headers


def read(sent: Sent) -> Listing:
    """A record that is not labelled DEAD."""
    assert sent.key is not None
    product_id = sent.key.decode()
    headers = dict(sent.headers)
    if sent.value is None:
        return Listing(product_id, int(headers["version"]), deleted=True)
    event = json.loads(headers.get(EVENT_HEADER, sent.value))
    images = event.get("images", [])
    pictures, start = {}, 0
    for image in images:
        data = sent.value[start : start + image.get("size_bytes", 0)]
        start += len(data)
        if data:
            pictures[sha256(data)] = data
    return Listing(
        product_id,
        event["version"],
        deleted=event["op"] == "delete",
        images=tuple(image.get("sha256") or image["image_uri"] for image in images),
        pictures=pictures,
        facts={name: event[name] for name in FACTS},
    )


def _event(op: str, product_id: str, version: int, facts: Mapping[str, object] | None) -> dict[str, object]:
    return {
        "schema_version": 1,
        "op": op,
        "product_id": product_id,
        "version": version,
        "event_us": 1_700_000_000_000_000 + version,
        "title": f"{product_id} as of {version}",
        "category": "Apparel/Topwear",
        "brand": "proof",
        "price": float(version % 97),
        "in_stock": version % 2 == 0,
        "attributes": {"version": str(version)},
        **(facts or {}),
    }
