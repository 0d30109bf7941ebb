"""The settings tree as names: which there are, which are a program's own, how each is written."""

from collections.abc import Iterator, Mapping
from typing import get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from vitrine.settings import Settings

PREFIX = "VITRINE_"
HOMES: Mapping[str, tuple[str, ...]] = {
    "": (),
    "recommend": ("recommend",),
    "evaluate": ("evaluate", "recommend"),
    "train": ("train",),
    "stream": ("stream",),
    "serve": ("serve",),
}
"""Branches of the tree that belong to one program: its flags leave their names out, the first that knows one wins."""


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting must be no flag, which others on the machine could read."""
    return SecretStr in get_args(field.annotation)


def variable(name: str) -> str:
    """The environment variable of a setting or branch."""
    return (PREFIX + name.replace(".", "__")).upper()


def walk(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """All leaves of a settings tree with their dotted names, in order."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from walk(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def short(name: str, home: str) -> str:
    """A setting's name as a flag of the program with that home."""
    branch = next((branch for branch in HOMES[home] if name.startswith(f"{branch}.")), "")
    return name.removeprefix(f"{branch}.") if branch else name


def settings_of(home: str) -> Iterator[tuple[str, FieldInfo]]:
    """The settings that a program reads: its own branches first, then those of all programs."""
    fields = dict(walk(Settings))
    owned = {branch for branches in HOMES.values() for branch in branches}
    for branch in HOMES[home]:
        yield from ((name, field) for name, field in fields.items() if name.startswith(f"{branch}."))
    yield from ((name, field) for name, field in fields.items() if name.partition(".")[0] not in owned)
