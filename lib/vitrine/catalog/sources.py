"""Where the catalogue's Parquet files are, and how they are opened."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from vitrine.errors import BadInput, BadSettings, Unavailable

BUFFER_BYTES = 1 << 20
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_SUFFIXES = (".parquet", ".parq", ".pq")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, slots=True)
class Source:
    """One Parquet file of the catalogue; `file` is an absolute path or a URI, `partitions` the names in its path."""

    file: str
    size_bytes: int
    mtime_ns: int
    partitions: tuple[str, ...]


def find(catalog: Sequence[str]) -> tuple[Source, ...]:
    """All Parquet files of the arguments, each once: in the order of the arguments, sorted by path within each.

    Names that begin with _ or . are left out, as Spark does; so are files of a directory with a foreign suffix.

    Raises:
        BadSettings: no argument, or a URI that carries a password.
        BadInput: nothing is there, or a directory holds no Parquet.
    """
    if not catalog:
        raise BadSettings("no catalogue: name its Parquet files or directories with --catalog")
    found: dict[str, Source] = {}
    for argument in catalog:
        for source in _files_of(argument):
            found.setdefault(source.file, source)
    return tuple(found.values())


def open_parquet(file: str, *, streamed: bool = False) -> pq.ParquetFile:
    """Open a file that `find` named; `streamed` holds a page in memory where the default holds a row group.

    Use it inside `readable(file)`.
    """
    filesystem, path = locate(file)
    return pq.ParquetFile(
        path,
        filesystem=filesystem,
        pre_buffer=not streamed,
        buffer_size=BUFFER_BYTES if streamed else 0,
        coerce_int96_timestamp_unit="us",
        arrow_extensions_enabled=False,
    )


def locate(place: str) -> tuple[fs.FileSystem, str]:
    """The file system of a path or URI, and the path there.

    Raises:
        BadSettings: the URI is of an unknown kind or carries a password.
    """
    if not _URI.match(place):
        return fs.LocalFileSystem(), str(Path(place).absolute())
    uri = urlsplit(place)
    if uri.password:
        raise BadSettings(f"{shown(place)} carries a password: give credentials through the environment instead")
    if uri.scheme == "file":
        return fs.LocalFileSystem(), unquote(uri.path)
    scheme = "s3" if uri.scheme in ("s3a", "s3n") else uri.scheme
    filesystem, base = _filesystem(f"{scheme}://{uri.netloc}" + (f"?{uri.query}" if uri.query else ""))
    return filesystem, base.rstrip("/") + unquote(uri.path).rstrip("/")


def partition_values(file: str, names: Sequence[str]) -> dict[str, str | None]:
    """What the path of a file says of the partition columns `names`."""
    path = unquote(urlsplit(file).path) if _URI.match(file) else file
    pairs = dict(_partitions(path))
    return {name: pairs[name] for name in names}


def shown(place: str) -> str:
    """A path or URI as messages may show it: without credentials and query."""
    if not _URI.match(place):
        return place
    uri = urlsplit(place)
    return f"{uri.scheme}://{uri.netloc.rpartition('@')[2]}{uri.path}"


def first_line(error: BaseException) -> str:
    """What an error says, without the details that pyarrow adds on further lines."""
    return str(error).partition("\n")[0]


@contextmanager
def readable(file: str) -> Iterator[None]:
    """Translate what pyarrow raises about a file.

    Raises:
        BadInput: the file is missing, forbidden, broken or not Parquet.
        Unavailable: its store did not answer.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise BadInput(f"{shown(file)} does not exist: check the path") from error
    except PermissionError as error:
        raise BadInput(f"{shown(file)} is forbidden: allow this user to use it") from error
    except (pa.ArrowInvalid, UnicodeError) as error:
        raise BadInput(f"{shown(file)} is not a readable Parquet file: write it again ({first_line(error)})") from error
    except OSError as error:
        if _URI.match(file) and not file.startswith("file:"):
            raise Unavailable(
                f"{shown(file)} cannot be read: check address and credentials ({first_line(error)})"
            ) from error
        raise BadInput(f"{shown(file)} is broken: write it again ({first_line(error)})") from error


@lru_cache(maxsize=16)
def _filesystem(root: str) -> tuple[fs.FileSystem, str]:
    try:
        filesystem, base = fs.FileSystem.from_uri(root)
    except (pa.ArrowInvalid, NotImplementedError) as error:
        raise BadSettings(f"{shown(root)} is no address that can be opened ({first_line(error)})") from error
    except OSError as error:
        raise Unavailable(f"{shown(root)} cannot be reached ({first_line(error)})") from error
    return filesystem, base


def _files_of(argument: str) -> list[Source]:
    filesystem, path = locate(argument)
    with readable(argument):
        info = filesystem.get_file_info(path)
        if info.type == fs.FileType.NotFound:
            raise FileNotFoundError(path)
        if info.type == fs.FileType.File:
            return [_source(argument, info, base=path)]
        inside = filesystem.get_file_info(fs.FileSelector(path, recursive=True))
    files = sorted((file for file in inside if _is_data(file, path)), key=lambda file: str(file.path))
    if not files:
        raise BadInput(f"{shown(argument)} holds no Parquet file (*.parquet): check --catalog")
    return [_source(argument, file, base=path) for file in files]


def _is_data(info: fs.FileInfo, base: str) -> bool:
    parts = info.path[len(base) :].strip("/").split("/")
    hidden = any(part.startswith((".", "_")) and "=" not in part for part in parts)
    return info.type == fs.FileType.File and not hidden and (parts[-1].endswith(_SUFFIXES) or "." not in parts[-1])


def _source(argument: str, info: fs.FileInfo, *, base: str) -> Source:
    below = info.path[len(base) :]
    names = tuple(name for name, _ in _partitions(below))
    if isinstance(locate(argument)[0], fs.LocalFileSystem):
        return Source(info.path, info.size, info.mtime_ns, names)
    uri = urlsplit(argument)
    file = uri._replace(path=uri.path.rstrip("/") + quote(below)).geturl()
    return Source(file, info.size, info.mtime_ns, names)


def _partitions(path: str) -> list[tuple[str, str | None]]:
    pairs = (part.partition("=") for part in path.split("/")[:-1] if "=" in part)
    return [(unquote(name), None if value == _NO_VALUE else unquote(value)) for name, _, value in pairs]
