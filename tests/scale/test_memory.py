"""Large pictures in small executors: memory stays flat over the run."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

logger = logging.getLogger(__name__)

PICTURES = 1_200
MB = 1_000_000


@pytest.mark.slow
def test_pictures_of_a_megabyte_keep_the_workers_memory_flat_on_executors_of_one_gigabyte(
    tmp_path: Path, drawn_pictures: list[bytes], do_units: Callable
) -> None:
    noise = np.random.default_rng(6)
    place = tmp_path / "catalog"
    place.mkdir()
    for start in range(0, PICTURES, 100):
        ids = [str(number) for number in range(start, start + 100)]
        images = [drawn_pictures[0] + noise.bytes(MB) for _ in ids]
        table = pa.table({"product_id": ids, "image": images})
        pq.write_table(table, place / f"{start}.parquet", row_group_size=50, use_dictionary=False)
    done = do_units(place, "local-cluster[2,1,1024]", seconds_per_mb=0.02)
    for path in place.iterdir():
        path.unlink()
    assert sum(manifest.embedded for manifest, _ in done.units) == PICTURES
    workers = {manifest.process.partition(":")[2] for manifest, _ in done.units}
    assert len(workers) == 2
    for worker in workers:
        sizes = [size_bytes for _, size_bytes in done.memory[worker]]
        quarters = [float(np.median(part)) / MB for part in np.array_split(sizes, 4)]
        logger.info(
            "worker=%s samples=%d MB by quarter %s", worker, len(sizes), [round(quarter) for quarter in quarters]
        )
        assert quarters[3] <= 1.1 * quarters[1]
        assert max(sizes) < 500 * MB
