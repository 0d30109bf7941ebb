"""`python -m deploy.local`: start and end the servers that `deploy/local.toml` names."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from deploy.local import jars, kafka, milvus, wheel
from vitrine import flags, lock
from vitrine.broker import admin
from vitrine.settings import Kafka
from vitrine.storage import directory

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Real servers on this machine, for trying Vitrine out.",
)

Place = Annotated[Path, typer.Option("--place", help="Directory with the servers' data.")]
STACK = Path(".vitrine/stack")
PORT = 19_530
KAFKA_PORT = 9_092
PARTITIONS = 4


@app.command()
def up(
    place: Place = STACK,
    port: Annotated[int, typer.Option(help="Port of Milvus; deploy/local.toml names 19530.")] = PORT,
    kafka_port: Annotated[int, typer.Option(help="Port of Kafka; deploy/local.toml names 9092.")] = KAFKA_PORT,
) -> None:
    """Start what is not running yet; it stays up until `down`."""
    with _alone(place):
        database = milvus.find(place / "milvus") or milvus.start(place / "milvus", port=port, leashed=False)
        broker = kafka.find(place / "kafka") or kafka.start(place / "kafka", port=kafka_port, leashed=False)
        _make_topics(broker)
    for line in _lines(database, broker):
        typer.echo(line)
    typer.echo(milvus.WARNING)
    typer.echo(f"next: .venv/bin/python jobs/reindex.py {_flags(database, broker)} --catalog CATALOG")
    typer.echo("end it: make stack-down")


@app.command()
def down(place: Place = STACK) -> None:
    """End what `up` started, and nothing else; the data stays."""
    with _alone(place):
        for name, server in _found(place):
            if server:
                server.stop()
            typer.echo(f"{name} is down; its data stays in {place / name}" if server else f"{name} was not running")


@app.command()
def status(place: Place = STACK) -> None:
    """Say what runs; exit code 1 unless all of it does."""
    found = [server for _, server in _found(place)]
    for line in _lines(milvus.find(place / "milvus"), kafka.find(place / "kafka")):
        typer.echo(line)
    if not all(found):
        raise typer.Exit(1)


def _make_topics(broker: kafka.Server) -> None:
    """The topics that programs use by default, where they are not there."""
    settings = Kafka(bootstrap=[broker.bootstrap])
    with admin(settings) as administration:
        administration.create_topics(settings, partitions=PARTITIONS)


def _alone(place: Path) -> AbstractContextManager[None]:
    return lock.held(directory(str(place)), "lock", f"the stack in {place}")


def _found(place: Path) -> list[tuple[str, milvus.Server | kafka.Server | None]]:
    return [("milvus", milvus.find(place / "milvus")), ("kafka", kafka.find(place / "kafka"))]


def _flags(database: milvus.Server, broker: kafka.Server) -> str:
    usual = (STACK / "milvus").absolute(), PORT, f"127.0.0.1:{KAFKA_PORT}"
    if (database.place, database.ports[0], broker.bootstrap) == usual:
        return "--config deploy/local.toml"
    return f"--milvus.uri={database.uri} --milvus.token_file={database.token_file} --kafka.bootstrap={broker.bootstrap}"


def _lines(database: milvus.Server | None, broker: kafka.Server | None) -> Iterator[str]:
    if database and database.process:
        where = f"at {database.uri}, process {database.process.id}"
        yield f"milvus {wheel.VERSION} runs {where}, root's token in {database.token_file}, log in {database.log}"
    else:
        yield "milvus is not running: make stack"
    if broker and broker.process:
        where = f"at {broker.bootstrap}, process {broker.process.id}"
        yield f"kafka {jars.VERSION} runs {where}, log in {broker.log}"
    else:
        yield "kafka is not running: make stack"


if __name__ == "__main__":
    sys.exit(flags.exit_code(app))
