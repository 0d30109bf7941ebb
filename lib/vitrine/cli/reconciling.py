"""`vitrine reconcile`: what the topic says and the view does not is published again."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from vitrine.broker import Producer, Record, records
from vitrine.errors import BadInput, BadRecord
from vitrine.events import ListingEvent, decode
from vitrine.index import collections, schema, stated
from vitrine.index.collections import Collection
from vitrine.index.stated import Stated
from vitrine.index.store import Store, connect_existing
from vitrine.product import MAX_IMAGES, deletion_wins
from vitrine.settings import Settings

_PRODUCTS_AT_ONCE = 1_024


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest that the topic says of a product; `images` is how many pictures it names."""

    version: int
    is_delete: bool
    images: int = 0

    def over(self, other: "Newest | None") -> bool:
        """Whether it stands above an earlier one; of two equal versions a delete does, else the later."""
        return other is None or (self.version, self.is_delete) >= (other.version, other.is_delete)


def reconcile(settings: Settings, *, since_us: int) -> str:
    """Publish again all events, since a moment, of the products that the view states at a lower version or in part.

    All of them and in their order, since an earlier one may carry the pictures that the newest names; those that are
    no news to the view change nothing. A line that says how many.

    Raises:
        BadInput: the alias serves nothing.
        Unavailable: Kafka or Milvus is away.
    """
    kafka = settings.kafka
    newest = _newest(records(kafka, kafka.topic, since_us=since_us))
    with connect_existing(settings.milvus) as store:
        served = collections.current(store, settings.milvus.alias)
        if served is None:
            raise BadInput(f"alias {settings.milvus.alias} serves nothing yet: run jobs/reindex.py")
        behind = set(_behind(store, served, newest))
    sent = 0
    if behind:
        with Producer(kafka) as producer:
            for record in records(kafka, kafka.topic, since_us=since_us):
                if record.message.key in behind and _event(record):
                    producer.send(kafka.topic, record.message)
                    sent += 1
    found = f"{len(newest):,} products in {kafka.topic}, {len(behind):,} of them behind in {served.name}"
    return f"{found}: sent {sent:,} events again"


def _newest(found: Iterator[Record]) -> dict[str, Newest]:
    newest: dict[str, Newest] = {}
    for record in found:
        event = _event(record)
        if event:
            said = Newest(event.version, event.op == "delete", len(event.images))
            if said.over(newest.get(event.product_id)):
                newest[event.product_id] = said
    return newest


def _event(record: Record) -> ListingEvent | None:
    """The event of a record; None of one that the service puts aside."""
    message = record.message
    try:
        return decode(message.key, message.value, message.headers).event
    except BadRecord:
        return None


def _behind(store: Store, served: Collection, newest: dict[str, Newest]) -> Iterator[bytes]:
    ids = iter(newest)
    while some := list(islice(ids, _PRODUCTS_AT_ONCE)):
        for product_id, view in stated.read(store, served, some).items():
            if is_behind(view, newest[product_id]):
                yield product_id.encode()


def is_behind(view: Stated, newest: Newest) -> bool:
    """Whether a view has not, or not wholly, what the topic says of a product."""
    if view.version is None or view.version < newest.version:
        return True
    if newest.is_delete:
        return deletion_wins(view.version, newest.version) and (not view.deleted or bool(view.rows))
    return view.version == newest.version and not view.deleted and _is_in_part(view, newest)


def _is_in_part(view: Stated, newest: Newest) -> bool:
    """Whether a late writer left rows of another version, or took some of this one away."""
    if any(row[schema.VERSION] != view.version for row in view.rows.values()):
        return True
    known = view.ledger.missing if view.ledger and view.ledger.version == view.version else ()
    return len(view.rows) + len(known) < min(newest.images, MAX_IMAGES)
