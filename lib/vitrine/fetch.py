"""Pictures by address: files and S3 objects, under the prefixes that the settings allow and nowhere else."""

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from pyarrow import fs

from vitrine.errors import BadRecord, BadSettings
from vitrine.product import Reason

_SETTING = "pictures.prefixes"
_S3_OPTIONS = frozenset(("endpoint_override", "region", "scheme"))
_NOTHING_THERE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG))
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an address or a prefix points; `options` are those of a prefix's file system."""

    scheme: str
    host: str
    path: str
    options: str = ""


def check_prefixes(prefixes: Sequence[str]) -> None:
    """Check the setting `pictures.prefixes` without reaching for anything.

    Raises:
        BadSettings: a prefix is no absolute directory and no file, s3 or https address, holds credentials,
            or has an option that S3 has not.
    """
    for prefix in prefixes:
        _prefix(prefix)


def fetch(uri: str, prefixes: Sequence[str], max_bytes: int) -> bytes:
    """Read the picture at an address: an absolute path, file:// or s3://.

    A file must be a regular one and lie in a prefix's directory after links and `..` are resolved. A prefix
    `s3://bucket/path/` may end in options, `?endpoint_override=http://host:9000&region=eu-1`. Paths of file://
    are percent-decoded; S3 keys are taken as they stand.

    Raises:
        BadRecord: `forbidden_address`, `missing` (no such file or object), `too_large`, or `fetch_failed`
            (it cannot be reached just now).
        BadSettings: as `check_prefixes`.
    """
    if not uri:
        raise BadRecord(Reason.MISSING, "the address is empty")
    if not prefixes:
        raise BadRecord(Reason.FORBIDDEN_ADDRESS, f"no address is allowed while {_SETTING} is empty")
    place = _address(uri)
    allowed = [prefix for prefix in map(_prefix, prefixes) if prefix.scheme == place.scheme]
    read = _read_file if place.scheme == "file" else _read_object
    try:
        return read(place, allowed, max_bytes)
    except OSError as error:
        if isinstance(error, FileNotFoundError) or error.errno in _NOTHING_THERE:
            raise BadRecord(Reason.MISSING, f"nothing at {_shown(uri)}") from error
        raise BadRecord(Reason.FETCH_FAILED, f"{_shown(uri)}: {_shown(str(error))}") from error


def _shown(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:200])


def _forbidden(uri: str, why: str) -> BadRecord:
    return BadRecord(Reason.FORBIDDEN_ADDRESS, f"{_shown(uri)}: {why}")


def _parts(uri: str) -> _Place:
    scheme, separator, rest = uri.partition("://")
    if not separator or uri.startswith("/"):
        return _Place("file", "", uri)
    host, slash, path = rest.partition("/")
    scheme = scheme.lower()
    return _Place(scheme, host, unquote(slash + path) if scheme == "file" else slash + path)


def _address(uri: str) -> _Place:
    place = _parts(uri)
    if "@" in place.host:
        raise _forbidden(f"{place.scheme}://...", "an address must not hold credentials")
    if place.scheme not in ("file", "s3"):
        raise _forbidden(uri.partition("?")[0], "pictures are read from files and s3:// only")
    if not uri.startswith("/") and ("?" in uri or "#" in uri):
        raise _forbidden(uri.replace("#", "?").partition("?")[0], "an address must not hold a query or fragment")
    if place.scheme == "s3" and not {"", ".", ".."}.isdisjoint(unquote(place.path[1:]).split("/")):
        raise _forbidden(uri, "a key must not have empty, . or .. parts")
    if place.scheme == "file" and (place.host not in ("", "localhost") or not place.path.startswith("/")):
        raise _forbidden(uri, "no absolute path of this machine")
    return place


@cache
def _prefix(prefix: str) -> _Place:
    bare, _, options = (prefix, "", "") if prefix.startswith("/") else prefix.partition("?")
    place = _parts(bare)
    if "@" in place.host:
        raise BadSettings(f"{_SETTING}: a prefix must not hold credentials: the environment gives them")
    absolute = place.path.startswith("/") and place.host in ("", "localhost")
    if not (absolute if place.scheme == "file" else place.host and place.scheme in ("s3", "https")):
        raise BadSettings(f"{_SETTING}: {_shown(bare)} is no absolute directory and no s3:// or https:// address")
    unknown = {name for name, _ in parse_qsl(options, keep_blank_values=True)} - _S3_OPTIONS
    if options and (place.scheme != "s3" or unknown):
        known = ", ".join(sorted(_S3_OPTIONS))
        raise BadSettings(f"{_SETTING}: {_shown(bare)}: only s3:// prefixes take options, and only {known}")
    return _Place(place.scheme, place.host, place.path.rstrip("/") + "/", options)


def _read_file(place: _Place, allowed: Sequence[_Place], max_bytes: int) -> bytes:
    try:
        path = Path(os.path.realpath(place.path))
        inside = any(path.is_relative_to(os.path.realpath(prefix.path)) for prefix in allowed)
    except ValueError as error:
        raise _forbidden(place.path, "no path of a file") from error
    if not inside:
        raise _forbidden(place.path, f"not under {_SETTING}")
    _check_file(path.stat(), place, max_bytes)
    with os.fdopen(os.open(path, _FLAGS), "rb") as file:
        _check_file(os.fstat(file.fileno()), place, max_bytes)
        return _bounded(file.read(max_bytes + 1), max_bytes)


def _check_file(found: os.stat_result, place: _Place, max_bytes: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise BadRecord(Reason.MISSING, f"{_shown(place.path)} is no regular file")
    _check_size(found.st_size, max_bytes)


def _read_object(place: _Place, allowed: Sequence[_Place], max_bytes: int) -> bytes:
    inside = (prefix for prefix in allowed if place.host == prefix.host and place.path.startswith(prefix.path))
    prefix = next(inside, None)
    if prefix is None:
        raise _forbidden(f"s3://{place.host}{place.path}", f"not under {_SETTING}")
    with _s3(prefix.host, prefix.options).open_input_file(place.host + place.path) as file:
        _check_size(file.size(), max_bytes)
        return _bounded(file.read(max_bytes + 1), max_bytes)


@cache
def _s3(bucket: str, options: str) -> fs.FileSystem:
    try:
        filesystem, _ = fs.FileSystem.from_uri(f"s3://{bucket}/?{options}")
    except ValueError as error:
        raise BadSettings(f"{_SETTING}: s3://{_shown(bucket)}/ cannot be opened: {_shown(str(error))}") from error
    return filesystem


def _check_size(size_bytes: int, max_bytes: int) -> None:
    if size_bytes > max_bytes:
        raise BadRecord(Reason.TOO_LARGE, f"{size_bytes} bytes, at most {max_bytes}")


def _bounded(data: bytes, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise BadRecord(Reason.TOO_LARGE, f"more than {max_bytes} bytes")
    return data
