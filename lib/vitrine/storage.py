"""Directories on local disks or behind URIs (file, s3, hdfs); files appear complete or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pyarrow as pa
from pyarrow import fs

from vitrine.errors import BadInput, BadSettings

_ASIDE = ".aside-"


@dataclass(frozen=True, slots=True)
class Directory:
    """A place for files; `names` within it are relative and use `/`."""

    filesystem: fs.FileSystem
    root: str

    def path(self, name: str) -> str:
        """Full path of a name, as `filesystem` understands it."""
        return f"{self.root}/{name}"

    def exists(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return bool(self.filesystem.get_file_info(self.path(name)).type == fs.FileType.File)

    def names(self, below: str = "") -> list[str]:
        """Names of all complete files at any depth below, sorted."""
        base = self.path(below).rstrip("/")
        found = self.filesystem.get_file_info(fs.FileSelector(base, recursive=True, allow_not_found=True))
        files = (info.path for info in found if info.type == fs.FileType.File and _ASIDE not in info.base_name)
        return sorted(path[len(self.root) + 1 :] for path in files)

    def read(self, name: str) -> bytes:
        """Content of a file; OSError if it is not there."""
        with self.filesystem.open_input_stream(self.path(name)) as stream:
            return bytes(stream.read())

    def write(self, name: str, data: bytes) -> None:
        """Write a file, replacing one of the same name."""
        with self.output(name) as stream:
            stream.write(data)

    @contextmanager
    def output(self, name: str) -> Iterator[pa.NativeFile]:
        """A stream whose content appears under `name` when the block ends without an error, else not at all."""
        folder, _, base = name.rpartition("/")
        self.filesystem.create_dir(self.path(folder).rstrip("/"), recursive=True)
        aside = self.path("/".join(part for part in (folder, f"{_ASIDE}{uuid4().hex}-{base}") if part))
        try:
            with self.filesystem.open_output_stream(aside) as stream:
                yield stream
            self.filesystem.move(aside, self.path(name))
        except BaseException:
            if self.filesystem.get_file_info(aside).type == fs.FileType.File:
                self.filesystem.delete_file(aside)
            raise

    def delete(self, name: str) -> None:
        """Remove a file if it is there."""
        if self.exists(name):
            self.filesystem.delete_file(self.path(name))

    def modified_s(self, name: str) -> float:
        """When a file was last written, in seconds since 1970 by the storage's clock; 0 if it is not there."""
        info = self.filesystem.get_file_info(self.path(name))
        return float(info.mtime.timestamp()) if info.mtime else 0.0

    @property
    def local(self) -> Path | None:
        """The directory in the file system of this machine; None if it is elsewhere."""
        return Path(self.root) if isinstance(self.filesystem, fs.LocalFileSystem) else None

    def rename(self, name: str, new: str) -> None:
        """Give a file another name."""
        self.filesystem.move(self.path(name), self.path(new))

    def within(self, name: str) -> "Directory":
        """A directory inside this one."""
        return Directory(self.filesystem, self.path(name))


def directory(uri: str) -> Directory:
    """The directory at a path or URI; it need not exist yet.

    Raises:
        BadInput: no file system is known for the URI.
        BadSettings: it holds a password, which would end up in logs and in the state of runs.
    """
    if "://" not in uri:
        return Directory(fs.LocalFileSystem(), str(Path(uri).absolute()))
    user, _, host = urlsplit(uri).netloc.rpartition("@")
    if ":" in user:
        raise BadSettings(f"the URI of {host} must hold no password: use the environment, such as AWS_ACCESS_KEY_ID")
    try:
        filesystem, root = fs.FileSystem.from_uri(uri)
    except (ValueError, NotImplementedError, OSError) as error:
        raise BadInput(f"cannot open {uri}: {error}") from error
    return Directory(filesystem, root.rstrip("/"))


def require_writable(uri: str, setting: str) -> Directory:
    """The directory at `uri`, made if need be and proved to be writable.

    Raises:
        BadInput: it cannot be made or written; the text names `setting`.
    """
    place = directory(uri)
    probe = f"{_ASIDE}probe-{uuid4().hex}"
    try:
        place.filesystem.create_dir(place.root, recursive=True)
        with place.filesystem.open_output_stream(place.path(probe)) as stream:
            stream.write(b"")
        place.filesystem.delete_file(place.path(probe))
    except (OSError, pa.ArrowException) as error:
        reason = str(error).split(". Detail:")[0]
        raise BadInput(f"cannot write to {uri}: {reason}; set {setting} to a writable directory") from error
    return place
