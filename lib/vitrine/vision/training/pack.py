"""A training pack: pictures decoded once into squares of bytes that every process maps, with their labels."""

import hashlib
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from vitrine.errors import BadInput, BadRecord

Bytes = NDArray[np.uint8]
Decode = Callable[[bytes], torch.Tensor]
"""A picture's bytes in, (3, h, w) uint8 out; raises BadRecord where they cannot be used."""

Box = tuple[int, int, int, int]

_ASIDE = ".aside-"
_DAY_S = 86_400
_FACTS, _ROWS, _PICTURES, _BOXES = "pack.json", "rows.parquet", "pictures.bin", "boxes.npy"
_WHITE = 243
"""Least value of all colours of what counts as the white paper of a packshot."""
_CHANNELS = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One picture on its way into a pack; `reason` says why its bytes could not be had."""

    product_id: str
    data: bytes
    held_out: bool
    labels: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Pack:
    """Pictures of one catalogue.

    `pictures` is (n, side, side, 4) uint8: RGB, and 255 where a packshot shows the paper behind the product; `boxes`
    is (n, 4) int16, left, top, width and height of the picture within its square. `labels` holds a class number for
    each picture by column, -1 where the catalogue says nothing; `classes` the names behind the numbers. `products`
    numbers products, `held_out` marks those that are for validation, `rejected` counts pictures that could not be used
    by reason, `packshots` is whether paper was looked for, `sha256` is the hash of all that, and `place` where it lies.
    """

    name: str
    pictures: Bytes
    boxes: NDArray[np.int16]
    products: NDArray[np.int64]
    held_out: NDArray[np.bool_]
    labels: dict[str, NDArray[np.int64]]
    classes: dict[str, list[str]]
    rejected: dict[str, int]
    packshots: bool = False
    sha256: str = ""
    place: str = ""

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass(frozen=True, slots=True)
class Kind:
    """What pictures become: squares of `side` pixels, with the paper marked where they are `packshots`."""

    side: int
    packshots: bool
    columns: tuple[str, ...]


def write(place: Path, rows: Iterable[Row], kind: Kind, decode: Decode) -> None:
    """Decode all pictures into a pack; those for which `decode` raises BadRecord are counted by reason.

    It is there complete or not at all. Of several processes that make it at once the first to end makes it. What one
    that was killed has left is deleted after a day.
    """
    for left in place.parent.glob(f"{_ASIDE}*-{place.name}"):
        if time.time() - left.stat().st_mtime > _DAY_S:
            shutil.rmtree(left, ignore_errors=True)
    aside = place.with_name(f"{_ASIDE}{uuid4().hex}-{place.name}")
    aside.mkdir(parents=True)
    try:
        _fill(aside, rows, kind, decode)
        aside.rename(place)
    except OSError:
        if not place.is_dir():  # else another process was faster
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _fill(place: Path, rows: Iterable[Row], kind: Kind, decode: Decode) -> None:
    kept: list[Row] = []
    boxes: list[Box] = []
    rejected: Counter[str] = Counter()
    total = hashlib.sha256(json.dumps(asdict(kind)).encode())
    with (place / _PICTURES).open("wb") as file:
        for row in rows:
            try:
                square, box = _square_of(row, kind, decode)
            except BadRecord as error:
                rejected[error.reason] += 1
                continue
            file.write(square.data)
            boxes.append(box)
            kept.append(replace(row, data=b""))
            total.update(json.dumps([row.product_id, row.held_out, row.labels, box]).encode())
            total.update(square.data)
    table = {"product_id": [row.product_id for row in kept], "held_out": [row.held_out for row in kept]}
    labels = {f"label {i}": [row.labels[i] for row in kept] for i in range(len(kind.columns))}
    pq.write_table(pa.table(table | labels), place / _ROWS)
    np.save(place / _BOXES, np.array(boxes, dtype=np.int16).reshape(-1, 4))
    facts = {"kind": asdict(kind), "rejected": rejected, "sha256": total.hexdigest()}
    (place / _FACTS).write_text(json.dumps(facts))


def read(place: Path, name: str) -> Pack:
    """Open a pack that `write` has made; pictures stay on disk until they are looked at.

    Raises:
        BadInput: it is not whole.
    """
    try:
        facts = json.loads((place / _FACTS).read_text())
        kind = Kind(**facts["kind"])
        table = pq.read_table(place / _ROWS)
        boxes = np.load(place / _BOXES)
        pictures = _mapped(place / _PICTURES, (len(table), kind.side, kind.side, _CHANNELS))
        numbered = {column: _numbered(table[f"label {i}"].to_pylist()) for i, column in enumerate(kind.columns)}
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise BadInput(f"the training pack {place} is not whole: delete it and make it again ({error})") from error
    products = np.unique(table["product_id"].to_numpy(), return_inverse=True)[1].astype(np.int64)
    return Pack(
        name=name,
        pictures=pictures,
        boxes=boxes,
        products=products,
        held_out=np.array(table["held_out"].to_pylist(), dtype=np.bool_),
        labels={column: numbers for column, (numbers, _) in numbered.items()},
        classes={column: names for column, (_, names) in numbered.items()},
        rejected=facts["rejected"],
        packshots=kind.packshots,
        sha256=facts["sha256"],
        place=str(place),
    )


def product_ids(pack: Pack) -> list[str]:
    """The product of each picture by its id, in the order of the pictures."""
    ids: list[str] = pq.read_table(Path(pack.place) / _ROWS, columns=["product_id"])["product_id"].to_pylist()
    return ids


def _mapped(path: Path, shape: tuple[int, ...]) -> Bytes:
    return np.memmap(path, np.uint8, "r", shape=shape) if shape[0] else np.empty(shape, np.uint8)


def centre_squares(pack: Pack, indices: Sequence[int] | NDArray[np.int64]) -> Iterator[torch.Tensor]:
    """The picture of each index as (3, h, w) uint8, as it was before it was put into its square."""
    for index in indices:
        left, top, width, height = map(int, pack.boxes[index])
        picture = np.array(pack.pictures[index, top : top + height, left : left + width, :3])
        yield torch.from_numpy(picture).permute(2, 0, 1)


def _square_of(row: Row, kind: Kind, decode: Decode) -> tuple[Bytes, Box]:
    if row.reason:
        raise BadRecord(row.reason)
    return _square(_shrunk(decode(row.data), kind.side), kind.side, white=kind.packshots)


def _shrunk(picture: torch.Tensor, side: int) -> torch.Tensor:
    height, width = picture.shape[1:]
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    fitted = max(1, round(height * scale)), max(1, round(width * scale))
    batch = picture.permute(1, 2, 0)[None].permute(0, 3, 1, 2)  # whose strides say that channels come last
    return torch.nn.functional.interpolate(batch, fitted, mode="bilinear", antialias=True)[0]


def _square(picture: torch.Tensor, side: int, *, white: bool) -> tuple[Bytes, Box]:
    height, width = picture.shape[1:]
    top, left = (side - height) // 2, (side - width) // 2
    square = np.full((side, side, _CHANNELS), 255 if white else 0, dtype=np.uint8)
    pixels = picture.permute(1, 2, 0).numpy()
    square[top : top + height, left : left + width, :3] = pixels
    if white:
        square[top : top + height, left : left + width, 3] = _paper(pixels)
    return square, (left, top, width, height)


def _paper(pixels: Bytes) -> Bytes:
    """255 where a straight run of near-white pixels leads to the border."""
    bright = pixels.min(axis=-1) >= _WHITE
    paper = np.zeros_like(bright)
    for axis in (0, 1):
        paper |= np.logical_and.accumulate(bright, axis)
        paper |= np.flip(np.logical_and.accumulate(np.flip(bright, axis), axis), axis)
    marked: Bytes = paper.astype(np.uint8) * 255
    return marked


def _numbered(values: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    names = sorted({value for value in values if value})
    numbers = {name: i for i, name in enumerate(names)}
    return np.array([numbers.get(value, -1) for value in values], dtype=np.int64), names
