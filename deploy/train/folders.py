"""A catalogue of pictures that lie in folders: python -m deploy.train.folders DIRECTORY OUT.parquet.

To judge models by pictures of another origin than those they learned from.
"""

import argparse
import os
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vitrine import flags
from vitrine.errors import BadInput

SCHEMA = pa.schema({"product_id": pa.string(), "folder": pa.string(), "image": pa.binary()})
AT_ONCE = 500
ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".gif"}


def main() -> int:
    """Write the catalogue; returns the exit code."""
    parser = argparse.ArgumentParser(description="A catalogue of pictures that lie in folders.")
    parser.add_argument("directory", type=Path, help="its pictures, and those of all folders below, are taken")
    parser.add_argument("out", type=Path, help="the Parquet file")
    given = parser.parse_args()
    return flags.exit_code(lambda: print(f"{write(given.directory, given.out):,} pictures in {given.out}"))


def write(directory: Path, out: Path) -> int:
    """Write `product_id`, the path below `directory`, `folder`, that of its folder, and `image`; returns how many.

    Pictures are those whose name ends like one, ordered by path; what their bytes are is not looked at.

    Raises:
        BadInput: there is none.
    """
    found = sorted(path for path in directory.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    if not found:
        raise BadInput(f"{directory}: there are no pictures ({', '.join(sorted(ENDINGS))}) in it")
    with pq.ParquetWriter(out, SCHEMA) as writer:
        for start in range(0, len(found), AT_ONCE):
            rows = [_row(path, directory) for path in found[start : start + AT_ONCE]]
            writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
    return len(found)


def _row(path: Path, directory: Path) -> dict[str, str | bytes]:
    ids = (os.fsencode(one.relative_to(directory)).decode(errors="backslashreplace") for one in (path, path.parent))
    return {"product_id": next(ids), "folder": next(ids), "image": path.read_bytes()}


if __name__ == "__main__":
    sys.exit(main())
