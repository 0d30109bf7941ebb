"""Cursors: where a page ended, in which collection, of which query."""

import base64
import binascii
import json
from collections.abc import Container
from dataclasses import dataclass

from vitrine.client.query import Query
from vitrine.errors import BadInput
from vitrine.index.collections import Collection, find
from vitrine.index.store import Store

MAX_CURSOR = 1_000


class StaleCursor(BadInput):
    """A cursor is of another query, or of a collection that is not served any more: search anew."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The next page of a query begins at this position of the products of this collection."""

    query: str
    collection: str
    position: int

    def text(self) -> str:
        """The cursor as a caller gives it back."""
        said = json.dumps([self.query, self.collection, self.position])
        return base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")


def read(query: Query) -> Cursor | None:
    """The cursor of a query, or None if its first page is wanted.

    Raises:
        StaleCursor: it is of another query, or none that `text` made.
    """
    if not query.cursor:
        return None
    digest, collection, position = _parsed(query.cursor)
    if digest != query.digest():
        raise StaleCursor("the cursor belongs to another query: search again without it")
    return Cursor(digest, collection, position)


def pinned(store: Store, cursor: Cursor, answering: Container[str]) -> Collection:
    """The collection of a cursor, which must be one of those that answer: callers can write what they like into one.

    Raises:
        StaleCursor: it answers no more, or is gone.
    """
    gone = StaleCursor("the collection of this cursor is not served any more: search again without it")
    if cursor.collection not in answering:
        raise gone
    try:
        return find(store, cursor.collection)
    except BadInput as error:
        raise gone from error


def _parsed(text: str) -> tuple[str, str, int]:
    try:
        padded = text[:MAX_CURSOR] + "=" * (-len(text) % 4)
        digest, collection, position = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise StaleCursor("the cursor is damaged: search again without it") from error
    if not (isinstance(digest, str) and isinstance(collection, str) and type(position) is int and position > 0):
        raise StaleCursor("the cursor is damaged: search again without it")
    return digest, collection, position
