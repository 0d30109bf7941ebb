"""Same bytes, same vector: through the units of the job, through the UDF on bytes, and alone; one engine a process."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from vitrine import catalog
from vitrine.embedding import Embedder, Vectors
from vitrine.index import schema
from vitrine.intake import UnitJob
from vitrine.manifest import Manifest
from vitrine.rendering import draw, jpeg, look, png, webp
from vitrine.settings import Model, Settings
from vitrine.spark import embed, run_units
from vitrine.unit import KNOWN_HASHES, run_unit_text, task_engine
from vitrine.vision import model_store, weights
from vitrine.vision.request import EngineRequest

BROKEN = (b"", b"<html>404</html>", b"\xff\xd8\xff\xe0 no picture at all", bytes(500))


def with_rejects(pictures: Sequence[bytes]) -> list[bytes]:
    """The pictures, a broken one after every seventh."""
    mixed: list[bytes] = []
    for number, picture in enumerate(pictures):
        mixed += [picture, BROKEN[number % len(BROKEN)]] if number % 7 == 6 else [picture]
    return mixed


def noting(make: Callable[[], Embedder], notes: Path) -> Callable[[], Embedder]:
    """`make` that notes in which process it gave which engine."""

    def made() -> Embedder:
        import os

        embedder = make()
        with notes.open("a") as file:
            file.write(f"{os.getpid()} {id(embedder)}\n")
        return embedder

    return made


def through_units(
    spark: SparkSession, images: Sequence[bytes], make: Callable[[], Embedder], place: Path, dim: int
) -> tuple[dict[int, Vectors], list[Manifest]]:
    ids = [str(number) for number in range(len(images))]
    pq.write_table(pa.table({"product_id": ids, "image": images}), place / "catalog.parquet", row_group_size=45)
    settings = Settings(catalog=[str(place / "catalog.parquet")])
    plan = catalog.plan(settings, slots=2)
    (place / KNOWN_HASHES).touch()
    job = UnitJob(str(place), str(place), plan.columns, settings.pictures, dim, 0, 0)
    catalog.write_plan(plan, place / catalog.PLAN)
    units = [unit.unit_id for unit in plan.units]
    work = partial(run_unit_text, job=job, make_embedder=make)
    done = [Manifest(**json.loads(text)) for text in run_units(spark, units, work, meanwhile=lambda: None)]
    rows = [row for one in done for row in pq.read_table(place / one.rows_file).to_pylist()]
    return {int(row[schema.PRODUCT_ID]): np.array(row[schema.VECTOR], np.float32) for row in rows}, done


def through_bytes(
    spark: SparkSession, images: Sequence[bytes], make: Callable[[], Embedder]
) -> tuple[dict[int, Vectors], dict[int, str]]:
    table = spark.createDataFrame(list(enumerate(map(bytearray, images))), "number int, picture binary")
    rows = table.repartition(3).select("number", embed(make)("picture").alias("found")).collect()
    vectors = {row.number: np.array(row.found.vector, np.float32) for row in rows if row.found.vector}
    return vectors, {row.number: row.found.reason for row in rows if row.found.reason}


def alone(images: Sequence[bytes], embedder: Embedder) -> dict[int, Vectors]:
    batches = ((number, next(iter(embedder.embed([(number, data)])))) for number, data in enumerate(images))
    return {number: batch.vectors[0] for number, batch in batches if len(batch.vectors)}


def assert_same(found: dict[int, Vectors], single: dict[int, Vectors]) -> None:
    assert found.keys() == single.keys()
    keys = sorted(single)
    ours, theirs = (np.stack([vectors[key] for key in keys]) for vectors in (found, single))
    assert np.min(np.sum(ours * theirs, axis=1)) >= 0.9999
    centred = [vectors - theirs.mean(axis=0) for vectors in (ours, theirs)]
    ours, theirs = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in centred)
    assert np.array_equal(np.argmax(ours @ theirs.T, axis=1), np.arange(len(keys)))


def assert_same_everywhere(spark: SparkSession, pictures: Sequence[bytes], place: Path) -> None:
    images = with_rejects(pictures)
    model = weights.resolve(Model())
    model_store.publish(model, str(place / "models"))
    request = EngineRequest(model.spec, Model(), Settings().pictures, str(place / "models"))
    make = noting(partial(task_engine, request), place / "engines")
    single = alone(images, task_engine(request))
    assert len(single) == len(pictures)
    units, done = through_units(spark, images, make, place, model.spec.dim)
    assert_same(units, single)
    assert len(done) > 2
    assert sum(one.rejected for one in done) == len(images) - len(pictures)
    udf, reasons = through_bytes(spark, images, make)
    assert_same(udf, single)
    assert len(reasons) == len(images) - len(pictures)
    noted = [line.split() for line in (place / "engines").read_text().splitlines()]
    assert len(noted) > len({process for process, _ in noted}) == len({tuple(one) for one in noted})


def test_drawn_pictures_have_one_vector_each_way(spark: SparkSession, tmp_path: Path) -> None:
    encode = (jpeg, png, webp)
    pictures = [encode[number % 3](draw(look(number), view=number % 4, size=120)) for number in range(100)]
    assert_same_everywhere(spark, pictures, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_a_thousand_photos_have_one_vector_each_way(spark: SparkSession, tmp_path: Path, shared_data: Path) -> None:
    images = pq.read_table(shared_data / "clothing" / "catalog.parquet", columns=["image"])["image"]
    distinct = pc.unique(images).to_pylist()[:1_000]
    assert len(distinct) == 1_000
    assert_same_everywhere(spark, distinct, tmp_path)
