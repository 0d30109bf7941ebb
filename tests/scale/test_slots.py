"""Files of very different sizes keep all slots busy."""

import logging
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

logger = logging.getLogger(__name__)

FILES = 200
SLOTS = 4
SECONDS = 30


def write(path: Path, pictures: list[bytes]) -> int:
    ids = [f"{path.stem}-{number}" for number in range(len(pictures))]
    pq.write_table(pa.table({"product_id": ids, "image": pictures}), path)
    return sum(map(len, pictures))


def picture(drawn: bytes, size_bytes: int, noise: np.random.Generator) -> bytes:
    """A picture of its own, made larger by what stands behind its end."""
    return drawn + noise.bytes(size_bytes)


@pytest.mark.slow
def test_no_slot_idles_more_than_a_fifth_of_a_run_over_files_of_very_different_sizes(
    tmp_path: Path, drawn_pictures: list[bytes], do_units: Callable
) -> None:
    noise = np.random.default_rng(5)
    place = tmp_path / "catalog"
    place.mkdir()
    rows = np.minimum(noise.lognormal(2, 1, FILES).astype(int) + 1, 60)
    rows[70] = 50 * rows.mean()  # 50 times the others
    rows[130] = 80 * rows.mean()  # as a single row group, a fifth of all
    total = 0
    for number, count in enumerate(rows):
        sizes = noise.integers(500, 8_000, count)
        total += write(place / f"{number:03d}.parquet", [picture(drawn_pictures[0], size, noise) for size in sizes])
    done = do_units(place, f"local[{SLOTS}]", seconds_per_mb=SLOTS * SECONDS * 1e6 / total)
    assert sum(manifest.embedded for manifest, _ in done.units) == rows.sum()
    slots: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for manifest, end in done.units:
        slots[manifest.process].append((end - manifest.seconds, end))
    assert len(slots) == SLOTS
    begin, over = min(map(min, slots.values()))[0], max(end for units in slots.values() for _, end in units)
    run = over - begin
    idle = [1 - sum(end - start for start, end in units) / run for units in slots.values()]
    logger.info("units=%d seconds=%.1f idle=%s", len(done.units), run, shown(idle))
    assert max(idle) <= 0.2


def shown(shares: list[float]) -> str:
    return " ".join(f"{share:.1%}" for share in shares)
