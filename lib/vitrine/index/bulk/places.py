"""From addresses of row files to what the server calls them."""

from collections.abc import Sequence

from pyarrow import fs

from vitrine.errors import BadInput
from vitrine.storage import directory

MAX_FILE_BYTES = 16 << 30
"""Largest file that Milvus imports (`common.ImportMaxFileSize`)."""


def server_paths(import_uri: str, files: Sequence[str]) -> list[str]:
    """What the server calls the files: a path of its own file system, or a key within its bucket.

    Raises:
        BadInput: a file does not lie below `import_uri`, is not there, or is larger than 16 GiB.
    """
    place = directory(import_uri)
    paths = [place.path(_name(import_uri, file)) for file in files]
    for file, info in zip(files, place.filesystem.get_file_info(paths), strict=True):
        if info.type != fs.FileType.File:
            raise BadInput(f"{file} cannot be imported: there is no such file")
        if info.size > MAX_FILE_BYTES:
            raise BadInput(f"{file} cannot be imported: {info.size} bytes, Milvus takes at most {MAX_FILE_BYTES}")
    in_bucket = import_uri.startswith("s3://")
    return [path.partition("/")[2] if in_bucket else path for path in paths]


def _name(import_uri: str, file: str) -> str:
    base = import_uri.rstrip("/") + "/"
    name = file.removeprefix(base)
    if not file.startswith(base) or {"", ".", ".."} & set(name.split("/")):
        raise BadInput(f"{file} does not lie below milvus.import_uri {import_uri}, so the server cannot read it")
    return name
