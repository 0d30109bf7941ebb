"""Pictures that kill the decoder or keep it for good: the job ends right without them. The faults are in Pillow."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrine.index import schema
from vitrine.index.store import connect
from vitrine.rendering import draw, gif, jpeg, look, png, webp
from vitrine.run import manifests, open_run
from vitrine.settings import Milvus, Model, Pictures
from vitrine.vision.engine import load
from vitrine.vision.request import EngineRequest
from vitrine.vision.weights import resolve

ROOT = Path(__file__).resolve().parents[2]
DEADLY = {
    3: (b" segmentation fault", "decoder_crash"),
    4: (b" abort", "decoder_crash"),
    9: (b" endless loop that holds the interpreter", "decode_timeout"),
    30: (b" exit", "decoder_crash"),
    38: (b" endless loop", "decode_timeout"),
}
ROWS, ROWS_PER_UNIT = 60, 20


def pictures() -> list[bytes]:
    encode = (gif, jpeg, png, webp)
    deadly = {number: gif(draw(look(number), size=64)) + end for number, (end, _) in DEADLY.items()}
    return [deadly.get(number) or encode[number % 4](draw(look(number), size=64)) for number in range(ROWS)]


def reindexed(place: Path, models: Path) -> dict[str, object]:
    """The report of the real program, on a Spark of its own."""
    flags = {
        "catalog": place / "catalog.parquet",
        "milvus.uri": place / "shop.db",
        "work": place,
        "run": "crashes",
        "model.store": models,
        "model.precision": "fp32",
        "pictures.decode_timeout_s": 5,
        "max_reject_ratio": 0.2,
        "spark.master": "local[2,4]",
    }
    done = subprocess.run(
        [sys.executable, ROOT / "jobs" / "reindex.py", *(f"--{name}={value}" for name, value in flags.items())],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests" / "faulty_pillow")},
        capture_output=True,
        text=True,
        check=False,
        timeout=850,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return dict(json.loads((place / "runs/crashes/report/report.json").read_text()))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_pictures_that_kill_the_decoder_are_rejects_and_all_others_are_embedded(tmp_path, model_store) -> None:
    images = pictures()
    ids = [f"p{number:02}" for number in range(ROWS)]
    pq.write_table(
        pa.table({"product_id": ids, "image": images}), tmp_path / "catalog.parquet", row_group_size=ROWS_PER_UNIT
    )
    report = reindexed(tmp_path, model_store)
    reasons = Counter(reason for _, reason in DEADLY.values())
    assert (report["rows"], report["embedded"]) == (ROWS, ROWS - len(DEADLY))
    assert report["rejected_by_reason"] == dict(reasons)

    place = tmp_path / "runs/crashes"
    assert list((place / "attempts").iterdir()) == []
    outcomes = pa.concat_tables([pq.read_table(path) for path in (place / "outcomes").iterdir()])

    model = Model(precision="fp32")
    engine = load(EngineRequest(resolve(model).spec, model, Pictures(), None))
    good = [number for number in range(ROWS) if number not in DEADLY]
    alone = np.concatenate([batch.vectors for batch in engine.embed((number, images[number]) for number in good)])
    with connect(Milvus(uri=str(tmp_path / "shop.db"))) as store:
        rows = store.scan("products", fields=[schema.PRODUCT_ID, schema.VECTOR])
        served = {str(row[schema.PRODUCT_ID]): np.asarray(row[schema.VECTOR]) for row in rows}
    assert sorted(served) == [ids[number] for number in good]
    ours = np.stack([served[ids[number]] for number in good])
    assert np.min(np.sum(ours * alone, axis=1)) >= 0.9999
