"""`vitrine`: the operator's tool. It looks after what the jobs made, after listing events, and serves searches."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from vitrine import __version__, flags
from vitrine.cli import listings
from vitrine.cli.given import settled
from vitrine.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Visual product search: look after what the reindex job made.",
)

Uri = Annotated[str | None, typer.Option("--milvus.uri", help="Path of Milvus Lite, or http:// of a server.")]
Alias = Annotated[str | None, typer.Option("--milvus.alias", help="Alias to look at [products].")]
Work = Annotated[str | None, typer.Option("--work", help="Directory with the state of runs [.vitrine].")]
ModelStore = Annotated[str | None, typer.Option("--model.store", help="Where models are [WORK/models].")]
Weights = Annotated[str | None, typer.Option("--model.weights", help="Weights to look at [bundled].")]
Config = Annotated[str | None, typer.Option("--config", help="TOML file with settings.")]

AS_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}
SERVE_STORY = """
Answers searches, recommendations and guesses of categories over HTTP, and serves a page for people.

Reads   what the alias serves, the model store, thumbnails, and the keys of --keys_file.
Writes  nothing.
Ends    with SIGINT or SIGTERM, after the requests under way.
"""


def main() -> None:
    """Run the command line and exit: 0 done, 1 an error in one line, 2 wrong usage."""
    sys.exit(flags.exit_code(app))


def _settings(
    config: str | None,
    uri: str | None,
    alias: str | None,
    work: str | None,
    *,
    model_store: str | None = None,
    bootstrap: str | None = None,
    weights: str | None = None,
) -> Settings:
    given = {"milvus.uri": uri, "milvus.alias": alias, "work": work}
    model = {"model.store": model_store, "model.weights": weights}
    return settled(config, {**given, **model, "kafka.bootstrap": bootstrap})


@app.command()
def search(  # noqa: PLR0917  # typer takes arguments by position or name as it finds them
    photo: Annotated[Path | None, typer.Argument(help="A picture file to search with.")] = None,
    product_id: Annotated[str | None, typer.Option("--id", help="Search with a stored product instead.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many products.")] = 8,
    expression: Annotated[str, typer.Option("--filter", help="Milvus filter, such as 'price < 20'.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write the answer as a page.")] = None,
    uri: Uri = None,
    alias: Alias = None,
    work: Work = None,
    model_store: ModelStore = None,
    config: Config = None,
) -> None:
    """Products that look like a picture, best first."""
    from vitrine.cli import answers

    if (photo is None) == (product_id is None):
        raise typer.BadParameter("give either a PHOTO or --id")
    settings = _settings(config, uri, alias, work, model_store=model_store)
    hits = answers.search(settings, photo, product_id, k=k, filter=expression)
    if html is not None:
        answers.write_page(settings, photo, product_id, hits, html)
    for line in answers.json_lines(hits) if as_json else answers.table(hits):
        typer.echo(line)


@app.command()
def status(uri: Uri = None, alias: Alias = None, work: Work = None, config: Config = None) -> None:
    """What the alias serves, and what it could go back to."""
    from vitrine.cli import answers

    for line in answers.status(_settings(config, uri, alias, work)):
        typer.echo(line)


@app.command()
def rollback(uri: Uri = None, alias: Alias = None, work: Work = None, config: Config = None) -> None:
    """Serve again the collection that was served before."""
    from vitrine.cli import answers

    typer.echo(answers.rollback(_settings(config, uri, alias, work)))


@app.command()
def doctor(
    uri: Uri = None,
    alias: Alias = None,
    work: Work = None,
    weights: Weights = None,
    bootstrap: listings.Bootstrap = None,
    config: Config = None,
) -> None:
    """Check Java, Spark, torch, Milvus, Kafka where it is named, weights and disk; say the cure of what is wrong."""
    from vitrine.cli import diagnosis

    findings = diagnosis.examine(_settings(config, uri, alias, work, bootstrap=bootstrap, weights=weights))
    for finding in findings:
        typer.echo(finding.line())
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


@app.command(context_settings=AS_SETTINGS, add_help_option=False)
def serve(context: typer.Context) -> None:
    """Answer searches over HTTP, and serve the page; --help shows all its settings."""
    settings = flags.load(context.args, program="vitrine serve", story=SERVE_STORY, home="serve")
    from vitrine.serve.running import serve as run
    from vitrine.telemetry import configure_logging

    configure_logging()
    run(settings, told=lambda address: typer.echo(f"serving on {address}"))


app.command()(listings.publish)
app.command()(listings.reconcile)
app.add_typer(listings.dlq, name="dlq")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vitrine {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options of the program itself."""
