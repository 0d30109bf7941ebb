"""An open shop: every call has a deadline, and what could not be read is read once more."""

import copy
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeVar

from vitrine.client.following import ALIAS_SECONDS, Followed
from vitrine.client.models import Models
from vitrine.client.sight import Aliases, Sight
from vitrine.embedding import Embedder
from vitrine.errors import Unavailable
from vitrine.index.collections import Collection
from vitrine.index.store import NotThere, Store
from vitrine.settings import Pictures

DEADLINE_S = 300.0
"""A first call loads the model, which takes a minute on a busy machine; one question to the database has less time."""
RELATED_ALIAS, USERS_ALIAS = "related", "users"

T = TypeVar("T")


class Opened:
    """What all calls of a client share. Close it, or use it in a `with` statement."""

    def __init__(
        self,
        store: Store,
        alias: str,
        embedder: Callable[[str], Embedder],
        *,
        pictures: Pictures | None = None,
        related_alias: str = RELATED_ALIAS,
        users_alias: str = USERS_ALIAS,
        deadline_s: float = DEADLINE_S,
        alias_s: float = ALIAS_SECONDS,
    ) -> None:
        self._store = store
        self._aliases = Aliases(alias, related_alias, users_alias)
        self._limits = pictures or Pictures()
        self._followed = Followed(alias_s)
        self._models = Models(embedder)
        self._deadline_s = deadline_s

    def within(self, deadline_s: float) -> Self:
        """The same client, whose calls end in that time. It is not closed by itself."""
        view = copy.copy(self)
        view._deadline_s = deadline_s
        return view

    @property
    def collection(self) -> Collection:
        """What the alias serves, at most a second old.

        Raises:
            BadInput: there is no such alias, or it serves other contents, or a collection that Vitrine did not make.
        """
        return self._seeing(Sight.products)

    def close(self) -> None:
        """Let go of the database."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _seeing(self, read: Callable[[Sight], T]) -> T:
        """What `read` returns; after an outage or a swap of collections it is called a second time."""
        ends_s = time.monotonic() + self._deadline_s
        sight = Sight(self._store.within(self._deadline_s), self._aliases, self._followed, self._models, ends_s)
        try:
            return read(sight)
        except (Unavailable, NotThere) as error:
            if time.monotonic() >= ends_s:
                raise
            self._followed.forget(collections_gone=isinstance(error, NotThere))
        return read(replace(sight, again=True))
