"""Pictures in files of this machine."""

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from vitrine.errors import BadRecord
from vitrine.fetch.addresses import SETTING, forbidden
from vitrine.fetch.limits import check_size
from vitrine.fetch.places import Place, printable
from vitrine.product import Reason

_NOTHING_THERE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG))
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def read(place: Place, allowed: Sequence[Place], max_bytes: int) -> bytes:
    """Read a regular file that lies in a directory of `allowed` after links and `..` are resolved.

    Raises:
        BadRecord: `forbidden_address`, `missing`, `too_large` or `fetch_failed`.
    """
    try:
        path = _inside(place, allowed)
        _check(path.stat(), place, max_bytes)
        with os.fdopen(os.open(path, _FLAGS), "rb") as file:
            _check(os.fstat(file.fileno()), place, max_bytes)
            data = file.read(max_bytes + 1)
        check_size(len(data), max_bytes)
        return data
    except OSError as error:
        if error.errno in _NOTHING_THERE:
            raise BadRecord(Reason.MISSING, f"nothing at {place}") from error
        raise BadRecord(Reason.FETCH_FAILED, f"{place}: {printable(str(error))}") from error


def _inside(place: Place, allowed: Sequence[Place]) -> Path:
    try:
        path = Path(os.path.realpath(place.path))
        inside = any(path.is_relative_to(os.path.realpath(prefix.path)) for prefix in allowed)
    except ValueError as error:
        raise forbidden(place, "no path of a file") from error
    if not inside:
        raise forbidden(place, f"not under {SETTING}")
    return path


def _check(found: os.stat_result, place: Place, max_bytes: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise BadRecord(Reason.MISSING, f"{place} is no regular file")
    check_size(found.st_size, max_bytes)
