"""Five million rows are planned in little memory."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

logger = logging.getLogger(__name__)

ROWS = 5_000_000
FILES = 50

PLAN = """
import json, resource, sys, time
from vitrine import catalog
from vitrine.settings import Settings

place, version_of, path = sys.argv[1:]
settings = Settings.model_validate({"catalog": [place], "columns": {"version_of": version_of}})
started = time.process_time()
catalog.write_plan(catalog.plan(settings, slots=8), path)
plan = catalog.read_plan(path)
assert catalog.read_unit(path, plan.units[-1].unit_id) == plan.units[-1]
duplicates = sum(int(unit.marks().sum()) for unit in plan.units)
facts = {"rows": plan.catalog_rows, "duplicates": duplicates, "units": len(plan.units)}
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(json.dumps(facts | {"peak_mb": peak_mb, "cpu_s": round(time.process_time() - started, 1)}))
"""


def write(place: Path, *, pictures_of_a_product: int, times: int) -> None:
    """Files of tiny rows; every row is there so many times, in files far apart, each time with a newer version."""
    rows = ROWS // FILES
    image = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([b"\xff\xd8" * 50]))
    for number in range(FILES):
        picture = np.arange(number * rows, (number + 1) * rows) % (ROWS // times)
        products = pa.array(picture // pictures_of_a_product).cast(pa.string())
        table = {
            "product_id": pc.binary_join_element_wise("shop-sku-", products, ""),
            "position": picture % pictures_of_a_product,
            "version": np.arange(rows) % 7 + 1_700_000_000_000_000 + number,
            "image": image,
        }
        pq.write_table(pa.table(table), place / f"{number:02d}.parquet", row_group_size=rows // 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pictures_of_a_product", "times", "version_of"), [(1, 1, "product"), (1, 2, "product"), (8, 1, "picture")]
)
def test_five_million_rows_are_planned_in_a_gigabyte_and_a_half(
    tmp_path: Path, pictures_of_a_product: int, times: int, version_of: str
) -> None:
    place = tmp_path / "catalog"
    place.mkdir()
    write(place, pictures_of_a_product=pictures_of_a_product, times=times)
    command = [sys.executable, "-c", PLAN, str(place), version_of, str(tmp_path / "plan.parquet")]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=200).stdout
    logger.info("planned %s", said)
    facts = json.loads(said)
    assert facts["rows"] == ROWS
    assert facts["duplicates"] == ROWS - ROWS // times
    assert facts["units"] < 1_000
    assert facts["peak_mb"] < 1_500
    assert (tmp_path / "plan.parquet").stat().st_size < 10_000_000
