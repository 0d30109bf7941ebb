"""API keys from a file that may change while the service runs."""

import hashlib
import hmac
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from vitrine.errors import BadInput

logger = logging.getLogger(__name__)

SHORTEST_KEY = 16
CHECK_S = 1.0
"""How long a changed file may go unnoticed."""

_Stamp = tuple[int, int, int]


class KeyRing:
    """The keys of a file with a `NAME KEY` on each line; empty lines and those that begin with # do not count.

    A file that changes is read again within a second; while it cannot be read, the keys stay those of before.

    Raises:
        BadInput: the file cannot be read at first, has no key, a key of less than 16 characters or a line of another
            form.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._stamp = _stamp(path)
        self._digests = _digests(path)
        self._checked_s = clock()

    def name_of(self, key: str) -> str | None:
        """The name of a key, or None if it is none; takes equally long whichever it is."""
        self._refresh()
        digest = _digest(key)
        found = None
        for name, known in self._digests.items():
            if hmac.compare_digest(digest, known):
                found = name
        return found

    def _refresh(self) -> None:
        now = self._clock()
        if now - self._checked_s < CHECK_S:
            return
        self._checked_s = now
        try:
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                return
            self._digests, self._stamp = _digests(self._path), stamp
        except BadInput as error:
            logger.error("keys not read again, the earlier ones stay: %s", error)
            return
        logger.info("keys read again names=%s", ",".join(self._digests))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError as error:
        raise BadInput(f"cannot read serve.keys_file {path}: {error.strerror}") from error
    return found.st_ino, found.st_mtime_ns, found.st_size


def _digests(path: Path) -> Mapping[str, bytes]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read serve.keys_file {path}: {getattr(error, 'strerror', 'not UTF-8')}") from error
    found: dict[str, bytes] = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2 or len(words[1]) < SHORTEST_KEY or words[0] in found:
            raise BadInput(f"serve.keys_file {path}, line {number}: write NAME KEY, a new name, {SHORTEST_KEY} or more")
        found[words[0]] = _digest(words[1])
    if not found:
        raise BadInput(f"serve.keys_file {path} holds no key: write NAME KEY lines")
    return found
