"""The memory of a unit does not grow with its pictures."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

PROGRAM = """
import json, re, sys
from pathlib import Path
from vitrine import catalog
from vitrine.intake import UnitJob
from vitrine.settings import Model, Settings
from vitrine.unit import KNOWN_HASHES, run_unit
from vitrine.vision.engine import load_alone
from vitrine.vision.request import EngineRequest
from vitrine.vision.weights import resolve

place, counts = sys.argv[1], [int(count) for count in sys.argv[2:]]
model, settings = Model(precision="fp32"), Settings(catalog=[place + "/catalog.parquet"])
engine = load_alone(EngineRequest(resolve(model).spec, model, settings.pictures, None))
plan = catalog.plan(settings, slots=1)
Path(place, KNOWN_HASHES).touch()
job = UnitJob(place, place, plan.columns, settings.pictures, engine.dim, 0, 0)
peaks = []
for count in counts:
    pieces = [catalog.Piece(settings.catalog[0], group, 0, 20, 20 * group) for group in range(count // 20)]
    unit = catalog.Unit(str(count), tuple(pieces), 0, b"", b"")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    assert run_unit(unit, job, lambda: engine).embedded == count
    peaks.append(1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]))
print(json.dumps(peaks))
"""


def noise() -> bytes:
    """A JPEG file of about a megabyte."""
    out = io.BytesIO()
    Image.merge("RGB", [Image.effect_noise((1_000, 700), 90) for _ in range(3)]).save(out, "JPEG", quality=96)
    return out.getvalue()


def test_a_unit_of_240_pictures_of_1_mb_takes_hardly_more_memory_than_one_of_60(tmp_path: Path) -> None:
    one, counts = noise(), (20, 60, 240)
    assert len(one) > 900_000
    images = [one + number.to_bytes(2) for number in range(max(counts))]
    ids = [str(number) for number in range(max(counts))]
    pq.write_table(pa.table({"product_id": ids, "image": images}), tmp_path / "catalog.parquet", row_group_size=20)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), *map(str, counts)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    _, few, many = json.loads(done.stdout)
    assert many - few < 100 * len(one)
