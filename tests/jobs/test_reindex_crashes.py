"""Pictures that kill the decoder or keep it for good: the job ends right without them. The faults are in Pillow."""

import hashlib
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

from vitrine.embedding import Vectors
from vitrine.index import schema
from vitrine.index.store import connect
from vitrine.rendering import draw, gif, jpeg, look, png, webp
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
        "thumbnails.uri": place / "thumbs",
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


def served(place: Path) -> dict[str, Vectors]:
    """What the alias serves, by image_id; each key must be there once."""
    with connect(Milvus(uri=str(place / "shop.db"))) as store:
        rows = list(store.scan("products", fields=[schema.IMAGE_ID, schema.VECTOR]))
    found = {str(row[schema.IMAGE_ID]): np.asarray(row[schema.VECTOR], np.float32) for row in rows}
    assert len(found) == len(rows)
    return found


def embedded_here(images: dict[str, bytes]) -> dict[str, Vectors]:
    """Their vectors, by an engine that has lost nothing."""
    model = Model(precision="fp32")
    engine = load(EngineRequest(resolve(model).spec, model, Pictures(), None))
    return {
        key: vector
        for batch in engine.embed(images.items())
        for key, vector in zip(batch.keys, batch.vectors, strict=True)
    }


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_pictures_that_kill_the_decoder_are_rejects_and_all_others_are_embedded(tmp_path, model_store) -> None:
    images = pictures()
    columns = {"product_id": [f"p{number:02}" for number in range(ROWS)], "image": images}
    pq.write_table(pa.table(columns), tmp_path / "catalog.parquet", row_group_size=ROWS_PER_UNIT)
    report = reindexed(tmp_path, model_store)
    assert (report["rows"], report["embedded"], report["duplicates"]) == (ROWS, ROWS - len(DEADLY), 0)
    assert report["rejected_by_reason"] == Counter(reason for _, reason in DEADLY.values())

    run = tmp_path / "runs/crashes"
    outcomes = pa.concat_tables([pq.read_table(path) for path in (run / "outcomes").iterdir()]).to_pylist()
    rejected = {one["row"]: one["reason"] for one in outcomes if one["outcome"] == "rejected"}
    assert rejected == {number: reason for number, (_, reason) in DEADLY.items()}
    assert list((run / "attempts").iterdir()) == []

    found = served(tmp_path)
    wanted = embedded_here({f"p{number:02}/0": image for number, image in enumerate(images) if number not in DEADLY})
    assert found.keys() == wanted.keys()
    assert min(float(found[key] @ wanted[key]) for key in wanted) >= 0.9999

    sound = {hashlib.sha256(image).hexdigest() for number, image in enumerate(images) if number not in DEADLY}
    assert {path.stem for path in (tmp_path / "thumbs").rglob("*.webp")} == sound
    assert report["thumbnails"] == ROWS - len(DEADLY)
