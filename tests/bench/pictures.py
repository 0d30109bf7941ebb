"""The pictures of a bench: the first of the clothing catalogue, or drawn ones where that is absent."""

import os
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vitrine.rendering import draw, jpeg, look

SHARED = Path(os.environ.get("VITRINE_SHARED") or Path(__file__).resolve().parents[3] / "shared")
CLOTHING = SHARED / "data" / "clothing" / "catalog.parquet"
FILES = 2  # plain Spark reads one file a task here, and there are two tasks at a time
_LIKE_CLOTHING = 480  # side in pixels


@dataclass(frozen=True, slots=True)
class Sample:
    """A small catalogue in its own directory: columns product_id and image."""

    directory: Path
    pictures: int
    size_bytes: int
    origin: str

    @property
    def files(self) -> list[str]:
        """Its Parquet files."""
        return sorted(str(path) for path in self.directory.glob("*.parquet"))


def write_sample(directory: Path, pictures: int) -> Sample:
    """Write a catalogue of so many pictures, stored as the clothing catalogue is: uncompressed, 500 in a row group."""
    images, origin = read_or_draw(pictures)
    directory.mkdir(parents=True)
    for part in range(FILES):
        start, stop = len(images) * part // FILES, len(images) * (part + 1) // FILES
        ids = [f"P{number:06}" for number in range(start, stop)]
        table = pa.table({"product_id": ids, "image": pa.array(images[start:stop], pa.binary())})
        pq.write_table(table, directory / f"{part}.parquet", row_group_size=500, compression="none")
    return Sample(directory, len(images), sum(map(len, images)), origin)


def read_images(file: str) -> list[bytes]:
    """The pictures of one file."""
    images: list[bytes] = pq.read_table(file, columns=["image"]).column(0).to_pylist()
    return images


def read_or_draw(count: int) -> tuple[list[bytes], str]:
    """So many pictures, and where they come from."""
    if not CLOTHING.exists():
        drawn = [jpeg(draw(look(number), size=_LIKE_CLOTHING), quality=90) for number in range(count)]
        return drawn, f"drawn pictures, since {CLOTHING} is not there"
    images: list[bytes] = []
    for batch in pq.ParquetFile(CLOTHING).iter_batches(batch_size=256, columns=["image"]):
        images += batch.column(0).slice(0, count - len(images)).to_pylist()
        if len(images) == count:
            break
    return images, "clothing"
