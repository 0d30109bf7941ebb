"""Packshots as customers might meet them: python -m deploy.train.wild OUT.parquet.

Queries for jobs/evaluate.py that ask for exactly that product: packshots held out of a training, turned, tilted, partly
covered, in other light, before pictures held out too. The same that the training's own validation calls `view`.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from vitrine import flags
from vitrine.errors import BadSettings
from vitrine.rendering import png
from vitrine.settings import Settings
from vitrine.vision.training import process
from vitrine.vision.training.pack import product_ids
from vitrine.vision.training.validation import met

SIZE = 160
SEED = 7


def main() -> int:
    """Write the queries; packs that are not there yet are made. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the Parquet file")
    parser.add_argument("--config", default="deploy/train/second.toml", help="settings of the training")
    parser.add_argument("--lesson", default="fashion", help="whose products (default fashion)")
    parser.add_argument("--products", type=int, default=1_000, help="how many at most (default 1,000)")
    given = parser.parse_args()

    def written() -> None:
        settings = flags.load([f"--config={given.config}"], program="wild.py", story="", home="train")
        print(f"{write(settings, given.lesson, given.products, given.out):,} pictures in {given.out}")

    return flags.exit_code(written)


def write(settings: Settings, lesson: str, products: int, out: Path) -> int:
    """Write queries of a lesson's products, a picture each, with `product_id` and `image`; returns how many.

    Raises:
        BadSettings: there is no lesson of that name.
    """
    names = [one.name for one in process.lessons_of(settings)]
    if lesson not in names:
        raise BadSettings(f"there is no lesson {lesson}: name one of {', '.join(names)}")
    tasks = process.tasks_of(settings, process.packs_of(settings))
    task = tasks[names.index(lesson)]
    rows = np.sort(np.random.default_rng(SEED).permutation(np.flatnonzero(task.pack.held_out))[:products])
    pictures = [png(Image.fromarray(one.permute(1, 2, 0).numpy())) for one in met(task, rows, tasks, SIZE)]
    ids = product_ids(task.pack)
    pq.write_table(pa.table({"product_id": [ids[row] for row in rows], "image": pictures}), out)
    return len(rows)


if __name__ == "__main__":
    sys.exit(main())
