"""Filters as a Store understands them: those that `vitrine.index.filters` writes, no others."""

import json
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from vitrine.errors import BadInput

Passes = Callable[[Mapping[str, Any]], bool]

_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "in": lambda value, values: value in values,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_FIELD = re.compile(r"(\w+)(\[)?")
_ORDER = re.compile(r"\]? (==|in|>=|<=|>|<) ")
_LITERAL = json.JSONDecoder(strict=False)


def passes(matching: str) -> Passes:
    """Whether a row passes the filter; every row passes an empty one.

    Raises:
        BadInput: it is not one that `vitrine.index.filters` writes.
    """
    if not matching:
        return lambda row: True
    reader = _Reader(matching)
    found = reader.any_of()
    if reader.place < len(matching):
        raise reader.refused()
    return found


class _Reader:
    """Reads a filter from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0

    def any_of(self) -> Passes:
        parts = [self.all_of()]
        while self.took(" or "):
            parts.append(self.all_of())
        return lambda row: any(part(row) for part in parts)

    def all_of(self) -> Passes:
        parts = [self.one()]
        while self.took(" and "):
            parts.append(self.one())
        return lambda row: all(part(row) for part in parts)

    def one(self) -> Passes:
        if not self.took("("):
            return self.comparison()
        inner = self.any_of()
        if not self.took(")"):
            raise self.refused()
        return inner

    def comparison(self) -> Passes:
        name, opened = self.match(_FIELD).groups()
        key = self.literal() if opened else None
        compare = _ORDERS[self.match(_ORDER)[1]]
        value = self.literal()
        if key is None:
            return lambda row: compare(row[name], value)
        return lambda row: key in row[name] and compare(row[name][key], value)

    def literal(self) -> Any:
        try:
            value, self.place = _LITERAL.raw_decode(self.text, self.place)
        except json.JSONDecodeError as error:
            raise self.refused() from error
        return value

    def match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self.place)
        if found is None:
            raise self.refused()
        self.place = found.end()
        return found

    def took(self, text: str) -> bool:
        if not self.text.startswith(text, self.place):
            return False
        self.place += len(text)
        return True

    def refused(self) -> BadInput:
        return BadInput(f"this filter is not one of vitrine.index.filters: {self.text}")
