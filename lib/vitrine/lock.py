"""A name that one process holds at a time: two runs of one name, or into one alias, must not meet."""

import fcntl
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pyarrow as pa

from vitrine.errors import Unavailable
from vitrine.storage import Directory

RENEW_S = 10.0
DEAD_AFTER_S = 60.0
"""A lease that was not renewed for this long is nobody's."""


@contextmanager
def held(
    place: Directory, name: str, what: str, *, renew_s: float = RENEW_S, dead_after_s: float = DEAD_AFTER_S
) -> Iterator[None]:
    """Hold `name` of a directory for a block; `what` says for people what it stands for.

    In a file system of this machine it is the lock of a file, which ends with its owner, however that ends. In any
    other storage it is a lease, a file that its owner renews: one that died keeps it for `dead_after_s` at most.

    Raises:
        Unavailable: another process holds it; the text says which.
    """
    owner = f"{socket.gethostname()}:{os.getpid()} since {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    with ExitStack() as stack:
        if place.local is None:
            stack.enter_context(_leased(place, name, _Claim(owner, what), renew_s=renew_s, dead_after_s=dead_after_s))
        else:
            stack.enter_context(_locked(place.local / name, _Claim(owner, what)))
        yield


@dataclass(frozen=True, slots=True)
class _Claim:
    owner: str
    what: str

    def refused(self, holder: str) -> Unavailable:
        return Unavailable(f"{self.what} is being worked on by {holder}: wait until that ends")


@contextmanager
def _locked(path: Path, claim: _Claim) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:  # not inherited by the processes that a program starts
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise claim.refused(file.read() or "another process") from None
        file.truncate(0)
        file.write(claim.owner)
        file.flush()
        yield
        file.truncate(0)


@contextmanager
def _leased(place: Directory, name: str, claim: _Claim, *, renew_s: float, dead_after_s: float) -> Iterator[None]:
    mine = f"{name}/{uuid4().hex}"
    place.write(mine, claim.owner.encode())
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(place, mine, claim, ended, renew_s), daemon=True)
    try:
        # Each of two that begin at once sees the other and gives way: both may, but never neither.
        for other in _others(place, name, mine, dead_after_s):
            raise claim.refused(place.read(other).decode())
        renewing.start()
        yield
    finally:
        ended.set()
        if renewing.is_alive():
            renewing.join()
        place.delete(mine)


def _others(place: Directory, name: str, mine: str, dead_after_s: float) -> Iterator[str]:
    """Leases of the living; those of the dead are removed. Ages are told by the storage's own clock."""
    now = place.modified_s(mine)
    for other in place.names(name):
        if other == mine:
            continue
        if now - place.modified_s(other) < dead_after_s:
            yield other
        else:
            place.delete(other)


def _renew(place: Directory, mine: str, claim: _Claim, ended: threading.Event, renew_s: float) -> None:
    while not ended.wait(renew_s):
        try:
            place.write(mine, claim.owner.encode())
        except (OSError, pa.ArrowException):
            continue  # an outage of the storage: the next renewal may pass
