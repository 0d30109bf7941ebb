"""From a command line to the settings tree, and from the tree to its help and its table."""

import json
import os
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource, SettingsError

from vitrine.errors import BadSettings, VitrineError
from vitrine.settings import Settings

_PREFIX = "VITRINE_"
_OTHER_VARIABLES = {"VITRINE_CONFIG", "VITRINE_REQUIRE", "VITRINE_SHARED", "VITRINE_USER_KEY"}
_HELP_WIDTH = 110


def load(arguments: Sequence[str], *, program: str, story: str) -> Settings:
    """Settings from `--config FILE` (TOML; or VITRINE_CONFIG) < `VITRINE_*` environment < flags.

    Flags are dotted (`--milvus.uri=x` or `--milvus.uri x`); hyphens may stand for underscores; lists take several
    values (`--catalog a b`), tables a key (`--spark.ANY.KEY=VALUE`); secrets are no flags. The last of two equal flags
    counts, but lists grow. `--help` prints `story` and every setting, and exits.

    Raises:
        BadSettings: an unknown key, a value out of range, or a file that cannot be read.
    """
    given = list(_given(arguments))
    if any(name in ("-h", "--help") for name, _ in given):
        sys.stdout.write(_manual(program, story))
        raise SystemExit(0)
    config, flags = _flags(given)
    _check_environment()
    try:
        environment = EnvSettingsSource(Settings)()
        return Settings(**_merged(_merged(_file(config), environment), flags))
    except ValidationError as error:
        raise BadSettings("; ".join(_lines(error))) from error
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


def _flags(given: Sequence[tuple[str, list[str]]]) -> tuple[str, dict[str, Any]]:
    """The settings file, and the tree of what the flags say."""
    fields = dict(walk(Settings))
    config = os.environ.get("VITRINE_CONFIG", "")
    tree: dict[str, Any] = {}
    for flag, values in given:
        if flag == "--config":
            config = _one(flag, values)
            continue
        path, field = _setting(flag.removeprefix("--"), fields)
        branch = tree
        for part in path[:-1]:
            branch = branch.setdefault(part, {})
        if get_origin(field.annotation) is list:
            branch.setdefault(path[-1], []).extend(values or [_one(flag, values)])
        else:
            branch[path[-1]] = _one(flag, values)
    return config, tree


def _one(flag: str, values: list[str]) -> str:
    if len(values) != 1:
        raise BadSettings(f"{flag} takes one value, {len(values) or 'none'} is given; see --help")
    return values[0]


def _setting(name: str, fields: Mapping[str, FieldInfo]) -> tuple[list[str], FieldInfo]:
    """Where in the tree a flag's value goes."""
    known = name.replace("-", "_")
    for table, field in fields.items():
        if get_origin(field.annotation) is dict and known.startswith(table + "."):
            return [*table.split("."), name[len(table) + 1 :]], field
    if known not in fields:
        raise BadSettings(f"unknown setting {known}; see --help")
    if get_origin(fields[known].annotation) is dict:
        raise BadSettings(f"--{known} takes a key: --{known}.KEY=VALUE")
    if _is_secret(fields[known]):
        raise BadSettings(
            f"--{known} is no flag, since others on this machine could read it: "
            f"set {_variable(known)} or --{known}_file"
        )
    return known.split("."), fields[known]


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in get_args(field.annotation)


def _variable(name: str) -> str:
    return (_PREFIX + name.replace(".", "__")).upper()


def _check_environment() -> None:
    known = {_variable(name) for name, _ in walk(Settings)} | {_variable(name) for name in Settings.model_fields}
    for variable in os.environ:
        if variable.upper().startswith(_PREFIX) and variable.upper() not in known | _OTHER_VARIABLES:
            raise BadSettings(f"unknown setting in the environment: {variable}")


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


def _manual(program: str, story: str) -> str:
    parts = [f"usage: {program} [--config FILE] [--SETTING=VALUE ...]", story.strip()]
    parts.append("Settings: a TOML file (--config) < VITRINE_* variables, such as VITRINE_MILVUS__URI < flags.")
    for name, field in walk(Settings):
        flag = _variable(name) if _is_secret(field) else f"--{name}{_values(field.annotation)}"
        default = _default(field)
        text = f"{field.description} [{default}]" if default else str(field.description)
        parts.append(f"  {flag}\n{textwrap.fill(text, _HELP_WIDTH, initial_indent=' ' * 6, subsequent_indent=' ' * 6)}")
    return "\n\n".join(parts[:3]) + "\n\n" + "\n".join(parts[3:]) + "\n"


def _values(annotation: Any) -> str:
    origin, inner = get_origin(annotation), [kind for kind in get_args(annotation) if kind is not NoneType]
    if origin is UnionType:
        return _values(inner[0])
    if origin is Literal:
        return f"={'|'.join(inner)}"
    if origin is dict:
        return ".KEY=VALUE"
    if origin is list:
        return f"{_values(inner[0])} ..."
    return {bool: "=true|false", int: "=N", float: "=X"}.get(annotation, "=TEXT")


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    return (
        "" if value is None or value in ([], {}, "") else json.dumps(value) if isinstance(value, dict) else str(value)
    )


def settings_table() -> str:
    """All settings as a Markdown table, for a README."""
    rows = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for name, field in walk(Settings):
        default = f"`{shown}`" if (shown := _default(field)) else ""
        rows.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(rows)


def exit_code(program: Callable[[], object]) -> int:
    """Run a program to its exit code: 0 done, 1 an error of ours, 2 wrong usage, 130 interrupted.

    Errors of ours and of the system (a full disk) become one line on stderr; any other is a bug, and its traceback
    is not held back.
    """
    try:
        program()
    except VitrineError as error:
        sys.stderr.write(f"vitrine: {' '.join(str(error).split())}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"vitrine: {' '.join(str(error).split())}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("vitrine: interrupted\n")
        return 130
    return 0
