"""Which collections the aliases serve, asked for about once a second."""

import math
import time
from collections.abc import Callable

from vitrine.index.collections import Collection, current
from vitrine.index.schema import Contents
from vitrine.index.store import Store

ALIAS_SECONDS = 1.0
"""How long a resolved alias is trusted: a swap is followed within this time."""
SEEN = 2


class Followed:
    """What aliases serve, as it was at most `trusted_s` ago; threads share it.

    `warm` is the last collection of which the model was ready.
    """

    def __init__(self, trusted_s: float = ALIAS_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._trusted_s = trusted_s
        self._clock = clock
        self._served: dict[str, tuple[float, Collection | None]] = {}
        self._seen: dict[str, tuple[str, ...]] = {}
        self.warm: Collection | None = None

    def behind(self, store: Store, alias: str, contents: Contents) -> Collection | None:
        """What the alias serves, or None if there is no such alias.

        Raises:
            BadInput: it serves other contents, or a collection that Vitrine did not make.
        """
        asked_s = self._clock()
        resolved_s, served = self._served.get(alias, (-math.inf, None))
        if asked_s - resolved_s > self._trusted_s:
            served = current(store, alias, contents)
            self._served[alias] = asked_s, served
            before = self._seen.get(alias, ())
            if served is not None and served.name not in before:
                self._seen[alias] = (served.name, *before[: SEEN - 1])
        return served

    def seen(self, alias: str) -> tuple[str, ...]:
        """The last two collections that the alias was found to serve, the newest first; a rollback swaps them."""
        return self._seen.get(alias, ())

    def forget(self, *, collections_gone: bool) -> None:
        """Ask again, even of what was asked just now; `warm` too may be gone."""
        self._served.clear()
        if collections_gone:
            self.warm = None
