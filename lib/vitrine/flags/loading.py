"""From a command line to the settings tree."""

import os
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource, SettingsError

from vitrine.errors import BadSettings
from vitrine.flags.manual import manual
from vitrine.flags.tree import HOMES, PREFIX, is_secret, short, variable, walk
from vitrine.settings import Settings

_OTHER_VARIABLES = {"VITRINE_CONFIG", "VITRINE_REQUIRE", "VITRINE_SHARED", "VITRINE_USER_KEY", "VITRINE_USER_KEY_FILE"}


def load(arguments: Sequence[str], *, program: str, story: str, home: str = "") -> Settings:
    """Settings from `--config FILE` (TOML; or VITRINE_CONFIG) < `VITRINE_*` environment < flags.

    Flags are dotted (`--milvus.uri=x` or `--milvus.uri x`); hyphens may stand for underscores; lists take several
    values (`--catalog a b`), tables a key (`--spark.ANY.KEY=VALUE`), switches none (`--tune`); secrets are no flags.
    The last of two equal flags counts, but lists grow. `home` is the program's own branch of the tree: its flags leave
    that name out (`--columns.user` is `recommend.columns.user` for home `recommend`), before a setting of all
    programs. `--help` prints `story` and every setting, and exits.

    Raises:
        BadSettings: an unknown key, a value out of range, or a file that cannot be read.
    """
    given = list(_given(arguments))
    if any(name in ("-h", "--help") for name, _ in given):
        sys.stdout.write(manual(program, story, home))
        raise SystemExit(0)
    config, flags = _flags(given, home)
    _check_environment()
    try:
        environment = EnvSettingsSource(Settings)()
        return Settings(**_merged(_merged(_file(config), environment), flags))
    except ValidationError as error:
        raise BadSettings("; ".join(_lines(error, home))) from error
    except SettingsError as error:
        text = " ".join(str(error).split())
        raise BadSettings(f'{text}: write lists and tables as JSON, ["a", "b"] or {{"a": 1}}') from error


def _given(arguments: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each flag with the values that follow it."""
    name, values = "", list[str]()
    for argument in arguments:
        if argument.startswith("--") or argument == "-h":
            if name:
                yield name, values
            name, equals, value = argument.partition("=")
            values = [value] if equals else []
        elif name:
            values.append(argument)
        else:
            raise BadSettings(f"unexpected argument {argument}; see --help")
    if name:
        yield name, values


def _flags(given: Sequence[tuple[str, list[str]]], home: str) -> tuple[str, dict[str, Any]]:
    """The settings file, and the tree of what the flags say."""
    fields = dict(walk(Settings))
    config = os.environ.get("VITRINE_CONFIG", "")
    tree: dict[str, Any] = {}
    for flag, values in given:
        if flag == "--config":
            config = _one(flag, values)
            continue
        path, field = _setting(flag.removeprefix("--"), fields, home)
        branch = tree
        for part in path[:-1]:
            branch = branch.setdefault(part, {})
        if get_origin(field.annotation) is list:
            branch.setdefault(path[-1], []).extend(values or [_one(flag, values)])
        elif field.annotation is bool and not values:
            branch[path[-1]] = "true"
        else:
            branch[path[-1]] = _one(flag, values)
    return config, tree


def _one(flag: str, values: list[str]) -> str:
    if len(values) != 1:
        raise BadSettings(f"{flag} takes one value, {len(values) or 'none'} is given; see --help")
    return values[0]


def _setting(flag: str, fields: Mapping[str, FieldInfo], home: str) -> tuple[list[str], FieldInfo]:
    """Where in the tree a flag's value goes."""
    for branch in (*HOMES[home], ""):
        name = f"{branch}.{flag}" if branch else flag
        known = name.replace("-", "_")
        for table, field in fields.items():
            if get_origin(field.annotation) is dict and known.startswith(table + "."):
                return [*table.split("."), name[len(table) + 1 :]], field
        if known in fields:
            return _leaf(known, fields)
    raise BadSettings(f"unknown setting {known}; see --help")


def _leaf(known: str, fields: Mapping[str, FieldInfo]) -> tuple[list[str], FieldInfo]:
    if get_origin(fields[known].annotation) is dict:
        raise BadSettings(f"--{known} takes a key: --{known}.KEY=VALUE")
    if is_secret(fields[known]):
        raise BadSettings(
            f"--{known} is no flag, since others on this machine could read it: set {variable(known)} or --{known}_file"
        )
    return known.split("."), fields[known]


def _check_environment() -> None:
    known = {variable(name) for name, _ in walk(Settings)} | {variable(name) for name in Settings.model_fields}
    for name in os.environ:
        if name.upper().startswith(PREFIX) and name.upper() not in known | _OTHER_VARIABLES:
            raise BadSettings(f"unknown setting in the environment: {name}")


def _file(path: str) -> dict[str, Any]:
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError as error:
        raise BadSettings(f"there is no settings file {path}") from error
    except (OSError, ValueError) as error:
        raise BadSettings(f"settings file {path} cannot be read: {error}") from error


def _merged(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        name: _merged(low[name], high[name])
        for name in low.keys() & high.keys()
        if isinstance(low[name], dict) and isinstance(high[name], dict)
    }
    return {**low, **high, **both}


def _lines(error: ValidationError, home: str) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        name = short(".".join(str(part) for part in problem["loc"]), home)
        if problem["type"] == "extra_forbidden":
            yield f"unknown setting {name}"
        else:
            yield f"--{name}: {problem['msg'].removeprefix('Value error, ')}"
