"""The settings of the trainings whose weights ship are those of the program."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from deploy.train import draw, folders, mix, wild
from vitrine import flags
from vitrine.catalog.labels import is_held_out
from vitrine.errors import BadInput, BadSettings
from vitrine.rendering import write_demo_catalog
from vitrine.settings import Model, Settings
from vitrine.vision.decode import decode
from vitrine.vision.training import process, shipping
from vitrine.vision.weights import resolve

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["second", "third", "open"])
def test_settings_of_a_training_that_ships_are_known(name: str) -> None:
    settings = flags.load(
        ["--config", str(ROOT / "deploy" / "train" / f"{name}.toml")], program="", story="", home="train"
    )
    lessons = process.lessons_of(settings)
    assert sum(lesson.share for lesson in lessons) == pytest.approx(1)
    assert any(lesson.packshots for lesson in lessons)
    assert any(lesson.backdrops for lesson in lessons)
    assert settings.train.licence or settings.model.weights == ".vitrine/training/second/report/weights.safetensors"


def test_only_free_pictures_are_in_the_open_training() -> None:
    settings = flags.load(["--config", str(ROOT / "deploy/train/open.toml")], program="", story="", home="train")
    assert settings.model.weights == "random:0"
    catalogs = [path for lesson in settings.train.lessons for path in lesson.catalog]
    assert catalogs == [".vitrine/drawn/catalog.parquet", "../shared/data/clothing/catalog.parquet"]


def test_a_mix_is_the_mean_of_weights_by_their_shares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / f"{name}.safetensors" for name in ("a", "b", "mixed", "other")]
    weights = [resolve(Model(weights=f"random:{seed}", image_size=size)) for seed, size in ((0, 64), (1, 64), (2, 96))]
    for file, one in zip((files[0], files[1], files[3]), weights, strict=True):
        file.write_bytes(shipping.file_of(replace(one, notice=f"mind {one.origin}")))
    assert run_mix(str(files[2]), f"1={files[0]}", f"2={files[1]}", f"1={files[1]}") == 0
    found, (a, b) = resolve(Model(weights=str(files[2]))), (resolve(Model(weights=str(file))) for file in files[:2])
    for name, value in found.tensors.items():
        mean = (a.tensors[name].float() + 3 * b.tensors[name].float()) / 4
        assert torch.allclose(value.float(), mean, rtol=1e-3, atol=1e-4), name
    assert found.notice == "mind random:0; mind random:1"
    assert f"model {found.spec.model_id}: --model.weights {files[2]}" in capsys.readouterr().out
    assert run_mix(str(files[2]), f"1={files[0]}", f"1={files[3]}") == 1
    assert run_mix(str(files[2]), f"0={files[0]}") == 2
    assert run_mix(str(files[2]), "0.5") == 2
    assert "0.5: give SHARE=FILE, the share a number above 0" in capsys.readouterr().err
    assert resolve(Model(weights=str(files[2]))).spec == found.spec


def run_mix(*arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["mix", *arguments])
        return mix.main()


def test_folders_of_pictures_become_a_catalogue(tmp_path: Path) -> None:
    shelf, out = tmp_path / "food" / "fruit", tmp_path / "out.parquet"
    shelf.mkdir(parents=True)
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(BadInput, match=r"there are no pictures \(.gif, .jpeg, .jpg, .png, .webp\) in it"):
        folders.write(tmp_path, out)
    odd = Path(os.fsdecode(bytes(shelf) + b"/\xff.png"))
    for name, data in ((shelf / "b.PNG", b"2"), (shelf / "a.jpg", b"1"), (tmp_path / "c.gif", b"0"), (odd, b"3")):
        name.write_bytes(data)
    assert folders.write(tmp_path, out) == 4
    found = [tuple(one.values()) for one in pq.read_table(out).to_pylist()]
    assert found == [
        ("c.gif", ".", b"0"),
        ("food/fruit/a.jpg", "food/fruit", b"1"),
        ("food/fruit/b.PNG", "food/fruit", b"2"),
        ("food/fruit/\\xff.png", "food/fruit", b"3"),
    ]


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
    assert {decode(one["image"], settings.pictures).shape for one in found} == {(3, wild.SIZE, wild.SIZE)}
