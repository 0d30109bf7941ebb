"""The port to a vector database, and the way to open the one that the settings name."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from vitrine.embedding import Vectors
from vitrine.errors import BadInput
from vitrine.index.rows import Row
from vitrine.index.schema import Layout
from vitrine.settings import Milvus

Found = tuple[float, Row]


class NotThere(BadInput):
    """A collection is not there, or not any more."""


MAX_ROWS = 16_384
"""Most rows that one search or query of Milvus returns."""


class Store(Protocol):
    """What Vitrine asks of a vector database. JSON fields go in as text and come out decoded.

    Every method raises Unavailable where trying again may help, BadInput or BadSettings where it will not.
    A collection that does not exist is NotThere. Reads are Strong (they see every row written before) where the
    docstring or `strong` says so. Threads may share a Store.
    """

    def within(self, timeout_s: float) -> "Store":
        """The same database for calls that together take no longer: what is not answered by then is Unavailable.

        It has no connection of its own, and is not closed.
        """
        ...

    def create(self, collection: str, layout: Layout, *, description: str) -> None:
        """Make an empty collection; BadInput if a collection or alias has that name."""
        ...

    def insert(self, collection: str, rows: Sequence[Row]) -> None:
        """Add rows as they are; a key that is already there makes a second row on a server."""
        ...

    def upsert(self, collection: str, rows: Sequence[Row]) -> None:
        """Put rows, each of another key, in the place of those with the same keys."""
        ...

    def delete(self, collection: str, keys: Sequence[str]) -> None:
        """Remove the rows of these keys, where there are any."""
        ...

    def prepare(self, collection: str) -> None:
        """Flush, build the indexes, release and load: searches then go through the index."""
        ...

    def pending(self, collection: str) -> int:
        """How many rows are not in the index yet."""
        ...

    def count(self, collection: str) -> int:
        """How many rows there are; Strong."""
        ...

    def query(self, collection: str, matching: str, *, fields: Sequence[str], strong: bool = False) -> list[Row]:
        """Rows that pass `matching`, at most 16,384, in no order."""
        ...

    def scan(self, collection: str, *, fields: Sequence[str]) -> Iterator[Row]:
        """All rows, in no order; Strong."""
        ...

    def search(
        self,
        collection: str,
        vectors: Vectors,
        limit: int,
        *,
        fields: Sequence[str],
        matching: str = "",
        strong: bool = False,
    ) -> list[list[Found]]:
        """For each of the (n, dim) vectors the best rows with their cosine, best first."""
        ...

    def version(self) -> str:
        """Name and version of the database, for people."""
        ...

    def collections(self) -> list[str]:
        """Names of all collections."""
        ...

    def description(self, collection: str) -> str:
        """What `create` was given; empty for a collection that others made."""
        ...

    def resolve(self, alias: str) -> str | None:
        """The collection that the alias points at, or None if there is no such alias."""
        ...

    def aliases(self, collection: str) -> list[str]:
        """Aliases that point at the collection; none if it is not there."""
        ...

    def point(self, alias: str, collection: str) -> None:
        """Make the alias point at the collection; BadInput if a collection has the alias' name."""
        ...

    def drop(self, collection: str) -> None:
        """Remove the collection if it is there; BadInput if an alias points at it."""
        ...

    def close(self) -> None:
        """Let go of the connection, and of the file in the case of Milvus Lite."""
        ...

    def __enter__(self) -> "Store": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def connect(milvus: Milvus) -> Store:
    """Open the database of the settings; close it, or use it in a `with` statement.

    Raises:
        BadSettings: the path cannot be used.
        BadInput: the server refuses the token, or its certificate is not trusted.
        Unavailable: the server does not answer, or another program has the Milvus Lite file open.
    """
    from vitrine.index.opening import open_store

    return open_store(milvus)


def connect_existing(milvus: Milvus) -> Store:
    """`connect`, for programs that only look: a Milvus Lite file that is not there is not made.

    Raises:
        BadInput: there is no such file.
    """
    if milvus.is_lite and not Path(milvus.uri).exists():
        raise BadInput(f"there is no database {milvus.uri}: run jobs/reindex.py first, or name another milvus.uri")
    return connect(milvus)
