"""`python -m deploy.local`: start and end the servers that `deploy/local.toml` names."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.local import milvus, wheel
from vitrine import flags, lock
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


@app.command()
def up(
    place: Place = STACK,
    port: Annotated[int, typer.Option(help="Port of Milvus; deploy/local.toml names 19530.")] = PORT,
) -> None:
    """Start what is not running yet; it stays up until `down`."""
    with lock.held(directory(str(place)), "lock", f"the stack in {place}"):
        server = milvus.find(place / "milvus") or milvus.start(place / "milvus", port=port, leashed=False)
    typer.echo(_line(server))
    typer.echo(milvus.WARNING)
    typer.echo(f"next: .venv/bin/python jobs/reindex.py {_flags(server)} --catalog CATALOG")
    typer.echo("end it: make stack-down")


@app.command()
def down(place: Place = STACK) -> None:
    """End what `up` started, and nothing else; the data stays."""
    with lock.held(directory(str(place)), "lock", f"the stack in {place}"):
        server = milvus.find(place / "milvus")
        if server:
            server.stop()
    typer.echo(f"milvus is down; its data stays in {place / 'milvus'}" if server else "milvus was not running")


@app.command()
def status(place: Place = STACK) -> None:
    """Say what runs; exit code 1 if nothing does."""
    server = milvus.find(place / "milvus")
    typer.echo(_line(server) if server else "milvus is not running: make stack")
    if not server:
        raise typer.Exit(1)


def _flags(server: milvus.Server) -> str:
    if (server.place, server.ports[0]) == ((STACK / "milvus").absolute(), PORT):
        return "--config deploy/local.toml"
    return f"--milvus.uri={server.uri} --milvus.token_file={server.token_file}"


def _line(server: milvus.Server) -> str:
    assert server.process
    where = f"at {server.uri}, process {server.process.id}"
    return f"milvus {wheel.VERSION} runs {where}, root's token in {server.token_file}, log in {server.log}"


if __name__ == "__main__":
    sys.exit(flags.exit_code(app))
