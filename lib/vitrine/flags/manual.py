"""From the settings tree to the help of a program and to the tables of a README."""

import json
import textwrap
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from vitrine.flags.tree import is_secret, settings_of, short, variable, walk
from vitrine.settings import Settings

_HELP_WIDTH = 110


def manual(program: str, story: str, home: str) -> str:
    """What `--help` prints."""
    parts = [f"usage: {program} [--config FILE] [--SETTING=VALUE ...]", story.strip()]
    parts.append("Settings: a TOML file (--config) < VITRINE_* variables, such as VITRINE_MILVUS__URI < flags.")
    for name, field in settings_of(home):
        flag = variable(name) if is_secret(field) else f"--{short(name, home)}{_values(field.annotation)}"
        default = _default(field)
        text = f"{_meaning(field)} [{default}]" if default else _meaning(field)
        parts.append(f"  {flag}\n{textwrap.fill(text, _HELP_WIDTH, initial_indent=' ' * 6, subsequent_indent=' ' * 6)}")
    return "\n\n".join(parts[:3]) + "\n\n" + "\n".join(parts[3:]) + "\n"


def _meaning(field: FieldInfo) -> str:
    return " ".join(str(field.description).split())


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
    return {bool: "[=true|false]", int: "=N", float: "=X"}.get(annotation, "=TEXT")


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    return (
        "" if value is None or value in ([], {}, "") else json.dumps(value) if isinstance(value, dict) else str(value)
    )


def settings_table(branch: str = "") -> str:
    """The settings of one program's branch, or those of all programs, as a Markdown table for a README."""
    rows = ["| setting | default | meaning |", "| --- | --- | --- |"]
    own = ((name, field) for name, field in walk(Settings) if name.startswith(f"{branch}."))
    for name, field in own if branch else settings_of(""):
        default = f"`{shown}`" if (shown := _default(field)) else ""
        rows.append(f"| `{name}` | {default} | {_meaning(field)} |")
    return "\n".join(rows)
