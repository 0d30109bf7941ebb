"""The files of events: where they are, of which format, and which columns each holds."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from vitrine.catalog.sources import locate, readable, shown
from vitrine.errors import BadInput, BadSettings

_FORMATS = {
    ".parquet": "parquet",
    ".parq": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
}
_PACKED = (".gz", ".bz2")
_LOOKED_AT_LINES = 1_000
SEPARATORS = {"csv": ",", "tsv": "\t"}


@dataclass(frozen=True, slots=True)
class EventFiles:
    """Files of one format, each with the columns it holds; of text formats every value is a string."""

    format: str
    schemas: dict[str, pa.Schema]


def find(events: Sequence[str], file_format: str = "auto", *, nested: str = "") -> EventFiles:
    """All files of the arguments with their columns; of a directory those of a known ending (`auto`) or all.

    Names that begin with _ or . are left out. The columns of JSON lines are those of the first 1,000 lines.

    Raises:
        BadSettings: no argument.
        BadInput: nothing is there, a file cannot be read, or files are of several formats.
        Unavailable: a store did not answer.
    """
    if not events:
        raise BadSettings("no events: name their files or directories with --events")
    files = list(dict.fromkeys(file for argument in events for file in _files_of(argument, file_format)))
    formats = {file: _format_of(file) if file_format == "auto" else file_format for file in files}
    one = formats[files[0]]
    if other := next((file for file in files if formats[file] != one), None):
        raise BadInput(f"{shown(files[0])} is {one}, {shown(other)} is {formats[other]}: give events of one format")
    return EventFiles(one, {file: _schema(file, one, nested) for file in files})


def _files_of(argument: str, file_format: str) -> list[str]:
    filesystem, path = locate(argument)
    with readable(argument):
        info = filesystem.get_file_info(path)
        if info.type == fs.FileType.NotFound:
            raise FileNotFoundError(path)
        if info.type == fs.FileType.File:
            return [path if _is_local(filesystem) else argument]
        inside = filesystem.get_file_info(fs.FileSelector(path, recursive=True))
    below = sorted(found.path[len(path) :] for found in inside if found.type == fs.FileType.File)
    names = [name for name in below if not _is_hidden(name) and (file_format != "auto" or _ending(name) in _FORMATS)]
    if not names:
        raise BadInput(f"{shown(argument)} holds no events (*.parquet, *.jsonl, *.csv, *.tsv): check --events")
    base = path if _is_local(filesystem) else argument.rstrip("/")
    return [base + name for name in names]


def _is_local(filesystem: fs.FileSystem) -> bool:
    return isinstance(filesystem, fs.LocalFileSystem)


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) and "=" not in part for part in name.strip("/").split("/"))


def _ending(file: str) -> str:
    name = urlsplit(file).path.rsplit("/", 1)[-1].lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return "." + name.rpartition(".")[2]


def _format_of(file: str) -> str:
    if (known := _FORMATS.get(_ending(file))) is None:
        raise BadInput(f"{shown(file)} has no ending that tells its format: say it with --format")
    return known


def _schema(file: str, file_format: str, nested: str) -> pa.Schema:
    with readable(file):
        if file_format == "parquet":
            filesystem, path = locate(file)
            return pq.read_schema(path, filesystem=filesystem)
        lines = _first_lines(file)
        names = (
            _names_in_json(lines, nested)
            if file_format == "jsonl"
            else _names_in_header(lines, SEPARATORS[file_format])
        )
    texts = [pa.field(name, pa.string()) for name in names if name != nested]
    if nested in names:
        inside = pa.struct([pa.field(name, pa.string()) for name in names[nested]])
        texts.append(pa.field(nested, pa.list_(inside)))
    return pa.schema(texts)


def _first_lines(file: str) -> list[str]:
    filesystem, path = locate(file)
    with filesystem.open_input_stream(path) as stream, io.BufferedReader(stream) as lines:
        return [line.decode("utf-8", "replace") for line in islice(lines, _LOOKED_AT_LINES)]


def _names_in_header(lines: list[str], separator: str) -> dict[str, list[str]]:
    header = next(csv.reader(lines[:1], delimiter=separator), [])
    return {name.removeprefix("\ufeff").strip(): [] for name in header}


def _names_in_json(lines: list[str], nested: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in _objects(lines):
        found.update({name: [] for name in row if name not in found})
        events = row.get(nested)
        for event in events if isinstance(events, list) else []:
            found[nested].extend(name for name in event if isinstance(event, dict) and name not in found[nested])
    return found


def _objects(lines: list[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue  # counted where all lines are read
        if isinstance(row, dict):
            yield row
