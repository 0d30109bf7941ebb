import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tests.brokers import Topics
from vitrine import broker
from vitrine.cli import app, diagnosis
from vitrine.cli.dead_letters import replay
from vitrine.cli.publishing import publish
from vitrine.cli.uploads import Upload, of_catalog, of_photos
from vitrine.errors import BadInput
from vitrine.events import DeadLetter, ImageRef, ListingEvent, Message, Origin, bury, carried, decode, emptied
from vitrine.product import Product, Reason
from vitrine.settings import Kafka, Settings

Catalog = Callable[..., Settings]


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """`catalog([row, ...], ...)`: settings that name a catalogue of these rows, a file for each list."""

    def write(*files: list[dict[str, object]]) -> Settings:
        for number, rows in enumerate(files):
            pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"catalog-{number}.parquet")
        return Settings(catalog=[str(tmp_path / f"catalog-{number}.parquet") for number in range(len(files))])

    return write


def run(*arguments: str) -> str:
    """What the command prints; it must end well."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def events_of(kafka: Kafka) -> list[ListingEvent]:
    messages = [record.message for record in broker.records(kafka, kafka.topic)]
    return [decode(message.key, message.value, message.headers).event for message in messages]


def said(uploads: list[Upload]) -> dict[str, tuple[int, list[bytes | str]]]:
    """Version and pictures of each product, in their order; an address stands for itself."""
    return {
        one.product.product_id: (
            one.product.version,
            [one.pictures[image.sha256 or ""] if image.image_uri is None else image.image_uri for image in one.images],
        )
        for one in uploads
    }


def test_a_product_of_the_catalogue_is_one_upload_although_its_rows_stand_apart(catalog: Catalog) -> None:
    settings = catalog(
        [
            {"product_id": "a", "version": 2, "position": 1, "image": b"a1", "title": "A"},
            {"product_id": "b", "version": 1, "position": 0, "image": b"b0", "title": "B"},
        ],
        [
            {"product_id": "a", "version": 2, "position": 0, "image": b"a0", "title": "A"},
            {"product_id": "a", "version": 1, "position": 2, "image": b"old", "title": "A"},
        ],
    )
    assert said(list(of_catalog(settings))) == {"b": (1, [b"b0"]), "a": (2, [b"a0", b"a1"])}


def test_what_no_event_can_say_of_the_catalogue_is_left_out(catalog: Catalog) -> None:
    rows = [
        {"product_id": "a", "version": 1, "images": [b"x", None, b"x"]},
        {"product_id": "", "version": 1, "images": [b"y"]},
        {"product_id": "b", "version": 1, "images": []},
    ]
    uploads = list(of_catalog(catalog(rows)))
    assert said(uploads) == {"a": (1, [b"x", b"x"]), "b": (1, [])}
    assert [one.left_out for one in uploads] == [1, 1]


def test_addresses_of_the_catalogue_stay_addresses(catalog: Catalog) -> None:
    uploads = list(of_catalog(catalog([{"product_id": "a", "version": 1, "image_uri": "https://shop/a.jpg"}])))
    assert uploads[0].images == (ImageRef(image_uri="https://shop/a.jpg"),)


def test_a_catalogue_without_versions_is_not_published(catalog: Catalog) -> None:
    with pytest.raises(BadInput, match=r"no version: name its column with columns\.version"):
        list(of_catalog(catalog([{"product_id": "a", "image": b"x"}])))


def test_a_folder_of_photos_has_a_product_for_each_name(tmp_path: Path) -> None:
    for name in ("mug.jpg", "mug.PNG", "shoes/red.webp", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    uploads = list(of_photos(tmp_path, version=7))
    assert said(uploads) == {"mug": (7, [b"mug.PNG", b"mug.jpg"]), "shoes/red": (7, [b"shoes/red.webp"])}
    assert uploads[1].product == Product("shoes/red", 7, title="red", category="shoes")


@pytest.mark.parametrize("place", ["absent", "."])
def test_a_folder_without_pictures_is_named(tmp_path: Path, place: str) -> None:
    with pytest.raises(BadInput, match=str(tmp_path)):
        list(of_photos(tmp_path / place, version=1))


def test_a_catalogue_is_published_as_events(kafka: Topics, catalog: Catalog) -> None:
    settings = kafka(partitions=2)
    rows = [{"product_id": f"p{n}", "version": n, "image": b"%d" % n, "title": "T"} for n in range(5)]
    source = catalog(rows).catalog[0]
    line = run(
        "publish",
        f"--catalog={source}",
        f"--kafka.bootstrap={settings.bootstrap[0]}",
        f"--kafka.topic={settings.topic}",
    )
    assert line.startswith(f"published 5 events with 5 pictures (0.0 MB) to {settings.topic} in ")
    assert {(event.product_id, event.version, event.title) for event in events_of(settings)} == {
        (f"p{n}", n, "T") for n in range(5)
    }


def test_events_are_sent_at_the_rate_that_was_asked_for(kafka: Topics) -> None:
    settings, now = kafka(), 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    uploads = [Upload(Product(f"p{n}", 1), (), {}) for n in range(11)]
    assert publish(settings, uploads, rate=5.0, clock=lambda: now, sleep=sleep).seconds == pytest.approx(2.0)


def test_an_event_that_is_too_large_is_refused_and_the_others_are_sent(kafka: Topics) -> None:
    settings = kafka(max_message_bytes=2_000_000)
    pictures = [b"x" * size for size in (10, 1_999_900, 3_000_000, 1_900_000)]
    uploads = [
        Upload(Product(f"p{n}", 1), carried([data]), {image.sha256 or "": data for image in carried([data])})
        for n, data in enumerate(pictures)
    ]
    published = publish(settings, uploads)
    assert (published.events, published.refused) == (2, 2)
    assert [event.product_id for event in events_of(settings)] == ["p0", "p3"]


def test_a_topic_that_is_not_there_is_named(kafka: Topics) -> None:
    settings = kafka().model_copy(update={"topic": "nowhere"})
    with pytest.raises(BadInput, match="Kafka has no topic nowhere"):
        publish(settings, [])


def letter(settings: Kafka, offset: int, reason: Reason, *, value: bytes | None = b"{") -> DeadLetter:
    message = Message(b"p\x1b%d" % offset, value, (("own", b"1"),))
    failed_us = round(datetime(2026, 11, 20, tzinfo=UTC).timestamp() * 1_000_000)
    return DeadLetter(message, Origin(settings.topic, 0, offset), reason, "why \x1b[31mred", "decode", failed_us)


@pytest.fixture
def buried(kafka: Topics) -> Kafka:
    """A topic of dead letters with three records, one of them twice, and a stranger."""
    settings = kafka()
    letters = [letter(settings, 0, Reason.NO_VERSION, value=None), letter(settings, 1, Reason.CORRUPT)]
    with broker.Producer(settings) as producer:
        for one in (*letters, letters[1], letter(settings, 2, Reason.CORRUPT)):
            producer.send(settings.dlq_topic, bury(one))
        producer.send(settings.dlq_topic, Message(b"stranger", b""))
    return settings


def flags_of(settings: Kafka) -> list[str]:
    bootstrap = ",".join(settings.bootstrap * 2)
    return [f"--kafka.bootstrap={bootstrap}", f"--kafka.dlq_topic={settings.dlq_topic}"]


def test_dead_letters_are_listed_once_each_and_counted(buried: Kafka) -> None:
    lines = run("dlq", "list", *flags_of(buried)).splitlines()
    assert len(lines) == 4
    assert lines[0].split() == ["2026-11-20", "00:00:00", "0/0", "no_version", "p", "0", "why", "[31mred"]
    assert lines[-1] == "corrupt 2, no_version 1"
    assert "\x1b" not in "".join(lines)


def test_dead_letters_are_listed_as_json_by_reason_and_time(buried: Kafka) -> None:
    (line,) = run("dlq", "list", "--json", "--reason=no_version", *flags_of(buried)).splitlines()
    told = json.loads(line)
    assert (told["reason"], told["origin"]["offset"], told["size_bytes"]) == ("no_version", 0, 0)
    assert "stranger" not in line
    assert run("dlq", "list", "--since=2999-01-01", *flags_of(buried)) == "no dead letters\n"


def test_a_replay_sends_the_records_as_they_came(buried: Kafka) -> None:
    line = run("dlq", "replay", f"--kafka.topic={buried.topic}", *flags_of(buried))
    assert line == f"sent 3 records to {buried.topic} again\n"
    sent = [record.message for record in broker.records(buried, buried.topic)]
    assert sent == [
        letter(buried, offset, Reason.CORRUPT, value=value).message
        for offset, value in ((0, None), (1, b"{"), (2, b"{"))
    ]


def test_a_replay_sends_equal_records_once_and_none_whose_content_was_left_out(kafka: Topics) -> None:
    """What is beyond repair is a new letter after each replay: its number must not grow."""
    settings = kafka()
    hopeless = letter(settings, 1, Reason.CORRUPT)
    again = replace(hopeless, origin=Origin(settings.topic, 0, 9))
    large = emptied(letter(settings, 2, Reason.CORRUPT, value=b"x" * 100))
    assert replay(settings, [hopeless, again, large, again]) == (
        f"sent 1 records to {settings.topic} again; 2 equal ones left out; 1 too large ones left out"
    )
    assert [record.message for record in broker.records(settings, settings.topic)] == [hopeless.message]


def test_doctor_looks_at_both_topics_where_kafka_is_named(kafka: Topics) -> None:
    settings = kafka(partitions=3)
    with broker.admin(settings) as admin:
        admin.drop_topics([settings.dlq_topic])
    found = [finding.line() for finding in diagnosis.kafka(Settings(kafka=settings))]
    place = settings.bootstrap[0]
    assert found == [
        f"ok  kafka     {place}: topic {settings.topic} has 3 partitions",
        f"BAD kafka     {place}: topic {settings.dlq_topic} has 0 partitions: make the topic, or name another",
    ]
    assert not list(diagnosis.kafka(Settings()))


@pytest.mark.parametrize("arguments", [["publish"], ["dlq", "list", "--since=soon"]])
def test_wrong_usage_is_told(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2
