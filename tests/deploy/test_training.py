"""The settings of the trainings whose weights ship are those of the program."""

import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from deploy.train import draw, wild
from vitrine import flags
from vitrine.catalog.labels import is_held_out
from vitrine.errors import BadSettings
from vitrine.rendering import write_demo_catalog
from vitrine.settings import Settings
from vitrine.vision.decode import decode
from vitrine.vision.training import process

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["bundled", "open"])
def test_settings_of_a_training_that_ships_are_known(name: str) -> None:
    settings = flags.load(
        ["--config", str(ROOT / "deploy" / "train" / f"{name}.toml")], program="", story="", home="train"
    )
    lessons = process.lessons_of(settings)
    assert sum(lesson.share for lesson in lessons) == pytest.approx(1)
    assert any(lesson.packshots for lesson in lessons)
    assert any(lesson.backdrops for lesson in lessons)
    assert settings.train.licence


def test_only_free_pictures_are_in_the_open_training() -> None:
    settings = flags.load(["--config", str(ROOT / "deploy/train/open.toml")], program="", story="", home="train")
    assert settings.model.weights == "random:0"
    catalogs = [path for lesson in settings.train.lessons for path in lesson.catalog]
    assert catalogs == [".vitrine/drawn/catalog.parquet", "../shared/data/clothing/catalog.parquet"]


def test_a_shop_is_drawn_to_learn_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["draw", str(tmp_path), "12"])
    draw.main()
    assert pq.ParquetFile(tmp_path / "catalog.parquet").metadata.num_rows == 12


def test_packshots_met_in_the_wild_are_of_products_held_out_and_keep_their_ids(tmp_path: Path) -> None:
    shop = write_demo_catalog(tmp_path, products=60, broken=0)
    lesson = {"name": "shop", "catalog": [str(shop.path)], "labels": ["category"], "packshots": True, "held_out": 0.4}
    settings = Settings.model_validate({"work": str(tmp_path), "train": {"lessons": [lesson], "side": 48}})
    n = wild.write(settings, "shop", 10, tmp_path / "wild.parquet")
    found = pq.read_table(tmp_path / "wild.parquet").to_pylist()
    assert n == len(found) == 10
    with pytest.raises(BadSettings, match="there is no lesson shops: name one of shop"):
        wild.write(settings, "shops", 10, tmp_path / "wild.parquet")
    assert all(is_held_out(one["product_id"], 0.4) for one in found)
    originals = {data for one in pq.read_table(shop.path).to_pylist() for data in one["images"] or ()}
    assert not originals & {one["image"] for one in found}
    assert {decode(one["image"], settings.pictures).shape for one in found} == {(3, wild.SIZE, wild.SIZE)}
