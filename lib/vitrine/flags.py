"""From a command line to the settings tree, and from the tree to its table."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsError,
    TomlConfigSettingsSource,
)

from vitrine.errors import BadSettings, VitrineError
from vitrine.settings import Settings

_PREFIX = "VITRINE_"
_OTHER_VARIABLES = {"VITRINE_CONFIG", "VITRINE_REQUIRE", "VITRINE_SHARED", "VITRINE_USER_KEY"}


def load(arguments: Sequence[str], *, program: str, story: str) -> Settings:
    """Settings from `--config FILE` (TOML; or VITRINE_CONFIG) < `VITRINE_*` environment < flags.

    Flags are dotted (`--milvus.uri=x` or `--milvus.uri x`); hyphens may stand for underscores; `--catalog` takes
    several values; `--spark.ANY.KEY=VALUE` is a Spark property. `--help` prints `story` and every setting, and exits.

    Raises:
        BadSettings: an unknown key, a value out of range, or a file that cannot be read.
    """
    config, flags = _normal(arguments)
    _check_environment()

    class Sources(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], **_: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            cli: CliSettingsSource[Any] = CliSettingsSource(
                settings_cls, cli_parse_args=flags, cli_prog_name=program, cli_exit_on_error=False
            )
            return cli, EnvSettingsSource(settings_cls), TomlConfigSettingsSource(settings_cls, toml_file=config)

    Sources.__doc__ = story
    try:
        return Settings.model_construct(**dict(Sources()))
    except ValidationError as error:
        raise BadSettings("; ".join(_lines(error))) from error
    except (SettingsError, ValueError, OSError) as error:
        raise BadSettings(" ".join(str(error).split()).removeprefix("error parsing CLI: ") + "; see --help") from error


def _normal(arguments: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The settings file, and the flags in the form that pydantic-settings parses."""
    flags: list[str] = []
    taken: dict[str, str] = {"--config": os.environ.get("VITRINE_CONFIG", "")}
    name, values = "", 0
    for argument in arguments:
        flag, equals, value = argument.partition("=")
        if flag.startswith("--"):
            name = flag if flag.startswith("--spark.") else "--" + flag[2:].replace("-", "_")
            values = len(equals)
            if not _is_ours(name):
                flags.append(name + equals + value)
            elif equals:
                taken[name] = value
        else:
            values += 1
            if _is_ours(name) and values == 1:
                taken[name] = argument
            else:
                flags += [name, argument] if name == "--catalog" and values > 1 else [argument]
    spark = {key.removeprefix("--spark."): value for key, value in taken.items() if key.startswith("--spark.")}
    if spark:
        flags += ["--spark", json.dumps(spark)]
    config = taken["--config"]
    if config and not Path(config).is_file():
        raise BadSettings(f"there is no settings file {config}")
    return Path(config) if config else None, flags


def _is_ours(flag: str) -> bool:
    return flag == "--config" or flag.startswith("--spark.")


def _check_environment() -> None:
    known = {(_PREFIX + name.replace(".", "__")).upper() for name, _ in walk(Settings)}
    sections = {(_PREFIX + name).upper() for name in Settings.model_fields}
    for variable in os.environ:
        if variable.startswith(_PREFIX) and variable.upper() not in known | sections | _OTHER_VARIABLES:
            raise BadSettings(f"unknown setting in the environment: {variable}")


def _lines(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            yield f"unknown setting {name}"
        else:
            yield f"--{name}: {problem['msg'].removeprefix('Value error, ')}"


def walk(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """All leaves of a settings tree with their dotted names, in order."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from walk(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def settings_table() -> str:
    """All settings as a Markdown table, for a README."""
    rows = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for name, field in walk(Settings):
        value = field.get_default(call_default_factory=True, validated_data={})
        default = "" if value is None or value in ([], {}) else f"`{value}`"
        rows.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(rows)


def exit_code(program: Callable[[], object]) -> int:
    """Run a program to its exit code: 0 done, 1 an error of ours in one line on stderr, 2 wrong usage, 130 interrupted."""
    try:
        program()
    except VitrineError as error:
        print(f"vitrine: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("vitrine: interrupted", file=sys.stderr)
        return 130
    return 0
