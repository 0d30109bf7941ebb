"""A name that one process holds at a time: two runs of one name, or into one alias, must not meet."""

import fcntl
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
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
) -> Iterator[Callable[[], None]]:
    """Hold `name` of a directory for a block; `what` says for people what it stands for.

    In a file system of this machine it is the lock of a file, which ends with its owner, however that ends. In any
    other storage it is a lease, a file that its owner renews: one that died keeps it for `dead_after_s` at most. The
    block gets a check for the moment before it does what cannot be undone: it raises Unavailable if the lease could
    not be renewed for half that time, so that another may soon hold it.

    Raises:
        Unavailable: another process holds it; the text says which.
    """
    owner = f"{socket.gethostname()}:{os.getpid()} since {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    with ExitStack() as stack:
        if place.local is None:
            lease = _leased(place, name, _Claim(owner, what), renew_s=renew_s, dead_after_s=dead_after_s)
            yield stack.enter_context(lease)
        else:
            stack.enter_context(_locked(place.local / name, _Claim(owner, what)))
            yield lambda: None


@dataclass(frozen=True, slots=True)
class _Claim:
    owner: str
    what: str

    def refused(self, holder: str) -> Unavailable:
        return Unavailable(f"{self.what} is being worked on by {holder}: wait until that ends")

    def lost(self) -> Unavailable:
        return Unavailable(f"the storage lost the lease of {self.what}: run again when it answers")


@dataclass(slots=True)
class _Lease:
    """A file that says who holds a name, for as long as it is renewed."""

    place: Directory
    name: str
    claim: _Claim
    renewed_s: float = 0.0

    def renew(self) -> None:
        begun_s = time.monotonic()
        self.place.write(self.name, self.claim.owner.encode())
        self.renewed_s = begun_s

    def keep_renewing(self, ended: threading.Event, renew_s: float) -> None:
        while not ended.wait(renew_s):
            try:
                self.renew()
            except (OSError, pa.ArrowException):
                continue  # an outage of the storage: the next renewal may pass

    def check(self, within_s: float) -> None:
        if time.monotonic() - self.renewed_s > within_s:
            raise self.claim.lost()


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
def _leased(
    place: Directory, name: str, claim: _Claim, *, renew_s: float, dead_after_s: float
) -> Iterator[Callable[[], None]]:
    lease = _Lease(place, f"{name}/{uuid4().hex}", claim)
    lease.renew()
    ended = threading.Event()
    renewing = threading.Thread(target=lease.keep_renewing, args=(ended, renew_s), daemon=True)
    try:
        # Each of two that begin at once sees the other and gives way: both may, but never neither.
        for other in _others(place, name, lease.name, dead_after_s):
            raise claim.refused(_owner(place, other))
        renewing.start()
        yield lambda: lease.check(dead_after_s / 2)
    finally:
        ended.set()
        if renewing.is_alive():
            renewing.join()
        place.delete(lease.name)


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


def _owner(place: Directory, lease: str) -> str:
    try:
        return place.read(lease).decode()
    except (OSError, pa.ArrowException):
        return "another process, which has just ended"
