"""The commands of `vitrine` about listing events."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from vitrine.cli.given import settled
from vitrine.product import Reason

dlq = typer.Typer(no_args_is_help=True, help="Look after records that could not be used.")

Config = Annotated[str | None, typer.Option("--config", help="TOML file with settings.")]
Bootstrap = Annotated[
    str | None, typer.Option("--kafka.bootstrap", help="Brokers to begin with, host:port[,host:port].")
]
Topic = Annotated[str | None, typer.Option("--kafka.topic", help="Topic of listing events [listings].")]
DlqTopic = Annotated[str | None, typer.Option("--kafka.dlq_topic", help="Topic of dead letters [listings.dlq].")]
Uri = Annotated[str | None, typer.Option("--milvus.uri", help="Path of Milvus Lite, or http:// of a server.")]
Alias = Annotated[str | None, typer.Option("--milvus.alias", help="Alias to look at [products].")]
Since = Annotated[
    str | None, typer.Option(help="Only what came since this time, ISO 8601, UTC where it names no zone.")
]
Reasons = Annotated[list[Reason] | None, typer.Option("--reason", help="Only this reason; may be given several times.")]


def publish(
    catalog: Annotated[list[str] | None, typer.Option(help="Parquet files, directories or URIs.")] = None,
    photos: Annotated[Path | None, typer.Option(help="Folder of pictures: each file name is a product.")] = None,
    rate: Annotated[float, typer.Option(min=0, help="Most events a second; 0: as fast as it goes.")] = 0.0,
    bootstrap: Bootstrap = None,
    topic: Topic = None,
    config: Config = None,
) -> None:
    """Send products to Kafka as listing events."""
    from vitrine.cli import publishing, uploads

    if bool(catalog) == bool(photos):
        raise typer.BadParameter("give either --catalog or --photos")
    settings = settled(config, {"kafka.bootstrap": bootstrap, "kafka.topic": topic}, catalog or ())
    found = uploads.of_photos(photos, version=time.time_ns() // 1_000) if photos else uploads.of_catalog(settings)
    typer.echo(publishing.publish(settings.kafka, found, rate=rate).line(settings.kafka.topic))


@dlq.command("list")
def list_letters(
    since: Since = None,
    reason: Reasons = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    bootstrap: Bootstrap = None,
    dlq_topic: DlqTopic = None,
    config: Config = None,
) -> None:
    """Records that could not be used: when, where they stand, why, whose."""
    from vitrine.cli import dead_letters

    kafka = settled(config, {"kafka.bootstrap": bootstrap, "kafka.dlq_topic": dlq_topic}).kafka
    found = dead_letters.letters(kafka, since_us=_moment(since), reasons=reason or ())
    for line in dead_letters.json_lines(found) if as_json else dead_letters.table(found):
        typer.echo(line)


@dlq.command("replay")
def replay_letters(
    since: Since = None,
    reason: Reasons = None,
    bootstrap: Bootstrap = None,
    topic: Topic = None,
    dlq_topic: DlqTopic = None,
    config: Config = None,
) -> None:
    """Send such records to the topic of listings again, as they came."""
    from vitrine.cli import dead_letters

    given = {"kafka.bootstrap": bootstrap, "kafka.topic": topic, "kafka.dlq_topic": dlq_topic}
    kafka = settled(config, given).kafka
    found = dead_letters.letters(kafka, since_us=_moment(since), reasons=reason or ())
    typer.echo(dead_letters.replay(kafka, found))


def reconcile(
    since: Annotated[str, typer.Option(help="Look at events since this time, ISO 8601, UTC where it names no zone.")],
    uri: Uri = None,
    alias: Alias = None,
    bootstrap: Bootstrap = None,
    topic: Topic = None,
    config: Config = None,
) -> None:
    """Send again the events of products that the served collection has at a lower version."""
    from vitrine.cli import reconciling

    given = {"kafka.bootstrap": bootstrap, "kafka.topic": topic, "milvus.uri": uri, "milvus.alias": alias}
    typer.echo(reconciling.reconcile(settled(config, given), since_us=_moment(since) or 0))


def _moment(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"--since: {text} is no time such as 2026-11-20T03:00") from error
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)
