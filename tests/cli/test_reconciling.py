"""What a view lacks of the topic is sent again; the view is a collection of Milvus Lite."""

from pathlib import Path

import pytest

from tests.brokers import Topics
from vitrine import broker
from vitrine.cli.reconciling import Newest, is_behind, reconcile
from vitrine.errors import BadInput
from vitrine.events import ListingEvent, Message, encode
from vitrine.index import collections, ledger, schema
from vitrine.index.collections import Facts
from vitrine.index.ledger import LedgerRow
from vitrine.index.load import finish
from vitrine.index.rows import Row, row
from vitrine.index.stated import Stated
from vitrine.index.store import connect
from vitrine.product import Product
from vitrine.settings import Kafka, Milvus, Settings


def view(milvus: Milvus, rows: dict[str, int], exceptions: list[LedgerRow]) -> None:
    """Serve a collection with a picture of each product, at those versions."""
    with connect(milvus) as store:
        made = collections.create(store, Facts("products", "monday", "model0", 2, "2026-11-20T03:00:00+00:00"))
        for product_id, version in rows.items():
            built, _ = row(Product(product_id, version), 0, sha256="0" * 64, uri="", event_us=0, indexed_us=0)
            store.insert(made.name, [{**built, schema.VECTOR: [1.0, 0.0]}])
        if exceptions:
            store.insert(made.ledger, [ledger.to_row(one) for one in exceptions])
        finish(store, made.ledger)
        finish(store, made.name)
        collections.swap(store, "products", made.name)


def send(kafka: Kafka, *stated: tuple[str, int, str]) -> list[Message]:
    """Send an event for each (product, version, op)."""
    messages = [
        encode(ListingEvent(op=op, product_id=product_id, version=version, event_us=1))
        for product_id, version, op in stated
    ]
    with broker.Producer(kafka) as producer:
        for message in messages:
            producer.send(kafka.topic, message)
    return messages


def test_all_events_of_products_that_the_view_has_at_a_lower_version_are_sent_again(
    kafka: Topics, tmp_path: Path
) -> None:
    settings = Settings(milvus=Milvus(uri=str(tmp_path / "shop.db")), kafka=kafka(), work=str(tmp_path))
    view(
        settings.milvus,
        {"behind": 1, "level": 5, "ahead": 9, "deleted since": 4},
        [LedgerRow("gone", 3, deleted=True), LedgerRow("without pictures", 2)],
    )
    messages = send(
        settings.kafka,
        ("behind", 1, "upsert"),
        ("behind", 3, "upsert"),
        ("behind", 2, "upsert"),
        ("level", 5, "upsert"),
        ("ahead", 8, "upsert"),
        ("deleted since", 4, "delete"),
        ("gone", 3, "delete"),
        ("without pictures", 2, "upsert"),
        ("unknown", 0, "upsert"),
    )
    with broker.Producer(settings.kafka) as producer:
        producer.send(settings.kafka.topic, Message(b"behind", b"no event"))
    line = reconcile(settings, since_us=0)
    assert line == (f"7 products in {settings.kafka.topic}, 3 of them behind in products__monday: sent 5 events again")
    sent = [record.message for record in broker.records(settings.kafka, settings.kafka.topic)][len(messages) + 1 :]
    assert sent == [*messages[:3], messages[5], messages[8]]


def picture(product_id: str, version: int, position: int = 0) -> Row:
    """A row of a view, as far as it is compared."""
    return {schema.IMAGE_ID: f"{product_id}/{position}", schema.VERSION: version}


@pytest.mark.parametrize(
    ("rows", "exception", "newest", "behind"),
    [
        ([picture("p", 5)], None, Newest(5, False, 1), False),
        ([picture("p", 5)], None, Newest(5, False, 3), True),
        ([picture("p", 5), picture("p", 4, 1)], None, Newest(5, False, 2), True),
        ([picture("p", 5)], LedgerRow("p", 5, missing=((1, "a", "corrupt"),)), Newest(5, False, 2), False),
        ([picture("p", 5)], LedgerRow("p", 4, missing=((1, "a", "corrupt"),)), Newest(5, False, 2), True),
        ([picture("p", 6)], None, Newest(5, False, 3), False),
        ([], LedgerRow("p", 5, deleted=True), Newest(5, False, 3), False),
        ([], LedgerRow("p", 5, deleted=True), Newest(5, True), False),
        ([picture("p", 4)], LedgerRow("p", 5, deleted=True), Newest(5, True), True),
    ],
)
def test_a_product_that_a_late_writer_left_in_part_is_behind(
    rows: list[Row], exception: LedgerRow | None, newest: Newest, *, behind: bool
) -> None:
    view = Stated("p", {str(row[schema.IMAGE_ID]): row for row in rows}, exception)
    assert is_behind(view, newest) is behind


def test_of_equal_versions_the_later_counts_and_a_delete_before_all() -> None:
    assert Newest(5, False, 1).over(Newest(5, False, 2))
    assert not Newest(5, False, 1).over(Newest(5, True))
    assert not Newest(4, True).over(Newest(5, False))


def test_an_alias_that_serves_nothing_is_named(kafka: Topics, tmp_path: Path) -> None:
    settings = Settings(milvus=Milvus(uri=str(tmp_path / "shop.db")), kafka=kafka(), work=str(tmp_path))
    with connect(settings.milvus):
        pass
    with pytest.raises(BadInput, match="alias products serves nothing yet"):
        reconcile(settings, since_us=0)
