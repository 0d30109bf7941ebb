import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from vitrine.errors import BadInput
from vitrine.rendering import draw, gif, jpeg, look, png, webp
from vitrine.settings import Lesson, Pictures, Settings
from vitrine.vision.decode import decode
from vitrine.vision.training.pack import Pack, centre_squares
from vitrine.vision.training.packing import packed, remarks

Packing = Callable[..., Pack]
N = 30


@pytest.fixture
def packing(tmp_path: Path) -> Packing:
    """`packing(labels=[...], colour=[...])` packs a catalogue of thirty drawn pictures with those columns."""

    def do(most: float = 0.05, size: int = 32, **changes: Any) -> Pack:
        columns: dict[str, Sequence[object]] = {
            "product_id": [f"p{n:02}" for n in range(N)],
            "image": [jpeg(draw(look(n), size=size)) for n in range(N)],
        }
        columns |= {name: changes.pop(name) for name in [*changes] if name not in Lesson.model_fields}
        path = tmp_path / "catalog.parquet"
        if not path.exists() or pq.read_table(path).to_pydict() != columns:
            pq.write_table(pa.table(columns), path)
        settings = Settings(max_reject_ratio=most, train={"side": 32})
        return packed(Lesson(**{"catalog": [str(path)], "held_out": 0.3, **changes}), settings, tmp_path / "packs")

    return do


def kinds(n: int) -> list[str]:
    return [f"kind {i % n}" for i in range(N)]


def test_products_are_held_out_by_their_ids(packing: Packing) -> None:
    found = packing(labels=["colour"], colour=kinds(3))
    assert 0 < found.held_out.sum() < N / 2
    assert not set(found.products[found.held_out]) & set(found.products[~found.held_out])


def test_a_pack_is_made_once_and_again_when_something_changes(packing: Packing, tmp_path: Path) -> None:
    def packs() -> int:
        return len(list((tmp_path / "packs").iterdir()))

    first = packing(labels=["colour"], colour=kinds(3))
    assert (packing(labels=["colour"], colour=kinds(3)).place, packs()) == (first.place, 1)
    assert packing(labels=["colour"], colour=kinds(3), packshots=True).place != first.place
    packing(labels=["colour"], colour=kinds(4))
    assert packs() == 3


def test_a_catalogue_that_was_only_copied_gives_the_same_pack(packing: Packing, tmp_path: Path) -> None:
    first = packing(labels=["colour"], colour=kinds(3))
    os.utime(tmp_path / "catalog.parquet", (1, 1))
    again = packing(labels=["colour"], colour=kinds(3))
    assert again.place != first.place
    assert again.sha256 == first.sha256


def test_a_pack_made_elsewhere_takes_the_place_of_its_catalogue(packing: Packing, tmp_path: Path) -> None:
    made = packing(labels=["shade", "colour"], colour=kinds(3), shade=kinds(2))
    moved = Path(made.place).rename(tmp_path / "moved")
    (tmp_path / "catalog.parquet").unlink()

    def read(**changes: Any) -> Pack:
        return packed(Lesson(pack=str(moved), **changes), Settings(), tmp_path)

    found = read(labels=["colour"])
    assert list(found.labels) == ["colour"]
    assert (found.sha256, len(found)) == (made.sha256, N)
    with pytest.raises(BadInput, match="moved has no label size: it was made with shade, colour"):
        read(labels=["size"])
    with pytest.raises(BadInput, match="moved was made with packshots = False"):
        read(labels=["colour"], packshots=True)


def test_pictures_that_could_not_be_had_are_tried_again_with_other_settings(packing: Packing, tmp_path: Path) -> None:
    images: list[object] = [jpeg(draw(look(n), size=32)) for n in range(N)]
    images[3] = None
    with pytest.raises(BadInput, match="1 pictures of 30 cannot be used"):
        packing(most=0, labels=["colour"], colour=kinds(3), image=images)
    assert list((tmp_path / "packs").iterdir()) == []
    found = packing(most=0.5, labels=["colour"], colour=kinds(3), image=images)
    lesson = Lesson(catalog=[str(tmp_path / "catalog.parquet")], labels=["colour"], held_out=0.3)
    more = Settings(pictures={"max_pixels": 1_000_000}, train={"side": 32})
    assert packed(lesson, more, tmp_path / "packs").place != found.place


def test_pictures_are_packed_as_the_engine_decodes_them(packing: Packing) -> None:
    wide = draw(look(3), size=32).crop((0, 4, 32, 20))
    images = [one(wide) for one in (jpeg, png, gif, webp)] * 8
    found = packing(labels=["colour"], colour=kinds(3), image=images[:N])
    for picture, data in zip(centre_squares(found, range(4)), images, strict=False):
        assert torch.equal(picture, decode(data, Pictures()))


def test_a_split_column_says_what_is_learned_from(packing: Packing) -> None:
    marks = ["train" if n % 3 else "validation" for n in range(N)]
    found = packing(labels=["colour"], colour=kinds(2), split="part", part=marks)
    assert found.held_out[np.argsort(found.products)].tolist() == [mark != "train" for mark in marks]


def test_a_catalogue_without_any_label_is_packed(packing: Packing) -> None:
    assert packing(labels=[]).labels == {}


def test_bad_pictures_are_told_by_reason_and_the_rest_is_packed(packing: Packing) -> None:
    images: list[object] = [jpeg(draw(look(n), size=32)) for n in range(N)]
    images[3], images[7], images[8] = b"<html>", images[7][:90], None  # type: ignore[index]
    found = packing(most=0.2, labels=["colour"], colour=kinds(3), image=images)
    assert len(found) == N - 3
    assert sum(found.rejected.values()) == 3
    (told,) = remarks(found, Lesson(catalog=["mine"], labels=["colour"]))
    assert told.startswith("mine: pictures that cannot be used: ")
    assert f"missing 1, truncated 1, unsupported_format 1; delete {found.place} to try them again" in told
    with pytest.raises(BadInput, match=r"^.*: 3 pictures of 30 cannot be used, .* max_reject_ratio 0\.05: .*missing 1"):
        packing(labels=["colour"], colour=kinds(3), image=images)


CASES = {
    "no such column": ({"labels": ["shade"]}, "no product has a shade"),
    "one class": ({"colour": ["red"] * N}, "all products are of one colour"),
    "classes of one picture": ({"colour": [str(n) for n in range(N)]}, "no two pictures share a colour"),
    "all learned": ({"colour": kinds(3), "split": "part", "part": ["train"] * N}, "no picture to validate with"),
    "none learned": ({"colour": kinds(3), "split": "part", "part": ["test"] * N}, "no picture to learn from"),
    "other classes held out": (
        {"colour": ["a", "b"] * 10 + ["c"] * 10, "split": "part", "part": ["train"] * 20 + ["test"] * 10},
        "no picture held out can find another of its colour",
    ),
    "a product without a twin": ({"labels": ["product_id"]}, "no two pictures share a product_id"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_learned_is_told_before_training(packing: Packing, case: str) -> None:
    changes, said = CASES[case]
    with pytest.raises(BadInput, match=said) as refused:
        packing(**{"labels": ["colour"], **changes})
    assert "\n" not in str(refused.value)
    assert "catalog.parquet" in str(refused.value)


def test_a_product_on_both_sides_is_told(packing: Packing) -> None:
    ids = [f"p{n // 2}" for n in range(N)]
    with pytest.raises(BadInput, match="15 products are on both sides of part"):
        packing(labels=["colour"], colour=kinds(3), product_id=ids, position=[n % 2 for n in range(N)],
                split="part", part=["train", "test"] * 15)  # fmt: skip


def test_classes_of_one_picture_beside_others_are_told_and_learned(packing: Packing) -> None:
    found = packing(labels=["colour"], colour=["rare", *kinds(2)[1:]], held_out=0.1)
    told = remarks(found, Lesson(catalog=["mine"], labels=["colour"]))
    assert list(told) == ["mine: 1 of 3 classes of colour have one picture only"]
