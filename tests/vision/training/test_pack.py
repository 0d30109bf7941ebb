import itertools
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vitrine.errors import BadInput
from vitrine.rendering import draw, jpeg, look, png
from vitrine.settings import Pictures
from vitrine.vision.decode import decode
from vitrine.vision.training.pack import Kind, Pack, Row, _paper, centre_squares, read, write

PHOTOS = Kind(48, packshots=False, columns=("category", "colour"))


def row(name: str, data: bytes, *, held_out: bool = False, reason: str = "") -> Row:
    return Row(name, data, held_out, (f"of {name}", ""), reason)


def here(data: bytes) -> torch.Tensor:
    return decode(data, Pictures())


def picture(size: tuple[int, int] = (48, 48)) -> bytes:
    return png(draw(look(3), size=96).resize(size))


def test_a_pack_gives_back_what_was_put_in(place: Path) -> None:
    small, wide = picture((20, 30)), picture((96, 48))
    write(place, [row("b", small), row("a", wide, held_out=True), row("b", small)], PHOTOS, here)
    found = read(place, "mine")
    assert (found.name, len(found), found.place, found.packshots) == ("mine", 3, str(place), False)
    assert found.products.tolist() == [1, 0, 1]
    assert found.held_out.tolist() == [False, True, False]
    assert found.classes == {"category": ["of a", "of b"], "colour": []}
    assert {name: numbers.tolist() for name, numbers in found.labels.items()} == {
        "category": [1, 0, 1],
        "colour": [-1, -1, -1],
    }
    assert found.boxes.tolist() == [[14, 9, 20, 30], [0, 12, 48, 24], [14, 9, 20, 30]]
    first, second, _ = centre_squares(found, range(3))
    assert torch.equal(first, decode(small, Pictures()))
    assert second.shape == (3, 24, 48)


def test_pictures_of_no_use_are_counted_by_reason(place: Path) -> None:
    rows = [row("a", picture()), row("b", b"<html>"), row("c", picture()[:200]), row("d", b"", reason="missing")]
    write(place, [*rows, row("e", b"GIF??")], PHOTOS, here)
    found = read(place, "mine")
    assert len(found) == 1
    assert sum(found.rejected.values()) == 4
    assert found.rejected["missing"] == 1


def test_a_pack_of_nothing_can_be_read(place: Path) -> None:
    write(place, [row("a", b"?")], PHOTOS, here)
    assert len(read(place, "mine")) == 0


def test_a_packer_that_fails_leaves_nothing(place: Path) -> None:
    def rows() -> "list[Row]":
        yield row("a", picture())  # type: ignore[misc]
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        write(place, rows(), PHOTOS, here)
    assert list(place.parent.iterdir()) == []


def test_a_pack_is_known_by_what_is_in_it(place: Path) -> None:
    numbers = itertools.count()

    def sha256(*rows: Row) -> str:
        home = place.with_name(f"pack-{next(numbers)}")
        write(home, rows, PHOTOS, here)
        return read(home, "mine").sha256

    one, other = picture(), picture((20, 30))
    first = sha256(row("a", one))
    assert sha256(row("a", one)) == first
    assert len({first, sha256(row("a", other)), sha256(row("b", one)), sha256(row("a", one, held_out=True))}) == 4


def test_what_a_killed_packer_left_is_deleted_after_a_day(place: Path) -> None:
    old, young, others = (place.with_name(f".aside-{name}") for name in (f"1-{place.name}", f"2-{place.name}", "3-x"))
    for left in (old, young, others):
        left.mkdir(parents=True)
        (left / "pictures.bin").write_bytes(b"x")
    for left in (old, others):
        os.utime(left, (0, 0))
    write(place, [row("a", picture())], PHOTOS, here)
    assert {path.name for path in place.parent.iterdir()} == {place.name, young.name, others.name}


def test_of_two_packers_the_first_to_end_wins(place: Path) -> None:
    write(place, [row("a", picture())], PHOTOS, here)
    write(place, [row("b", picture())], PHOTOS, here)
    assert read(place, "mine").classes["category"] == ["of a"]
    assert [path.name for path in place.parent.iterdir()] == [place.name]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda place: (place / "pack.json").unlink(),
        lambda place: (place / "pack.json").write_text("{"),
        lambda place: (place / "pictures.bin").write_bytes(b"cut"),
        lambda place: (place / "rows.parquet").write_bytes(b"PAR1"),
        lambda place: (place / "boxes.npy").unlink(),
        lambda place: (place / "pack.json").write_text(json.dumps({"side": 48})),
    ],
)
def test_a_pack_that_is_not_whole_is_told(place: Path, spoil: Callable[[Path], object]) -> None:
    write(place, [row("a", picture())], PHOTOS, here)
    spoil(place)
    with pytest.raises(BadInput, match="is not whole: delete it and make it again"):
        read(place, "mine")


def test_packshots_know_their_paper(pack: Pack) -> None:
    paper = np.asarray(pack.pictures[0, :, :, 3])
    assert set(np.unique(paper)) == {0, 255}
    assert paper[0, 0] == 255
    assert paper[24, 24] == 0
    assert pack.pictures[0][paper == 255][:, :3].min() >= 243


SOME = st.sampled_from([0, 242, 243, 255])
SIDE = st.integers(1, 6)


@given(arrays.arrays(np.uint8, st.tuples(SIDE, SIDE, st.just(3)), elements=SOME))
def test_paper_is_what_a_straight_white_run_reaches_from_the_border(pixels: np.ndarray) -> None:
    bright = (pixels >= 243).all(axis=2)
    height, width = bright.shape
    expected = [
        [
            255 * any(run.all() for run in (bright[: i + 1, j], bright[i:, j], bright[i, : j + 1], bright[i, j:]))
            for j in range(width)
        ]
        for i in range(height)
    ]
    assert _paper(pixels).tolist() == expected


def test_a_row_is_not_kept_with_its_bytes(place: Path) -> None:
    rows = [replace(row("a", jpeg(draw(look(1), size=48))), held_out=True)]
    write(place, rows, PHOTOS, here)
    assert sorted(path.name for path in place.iterdir()) == ["boxes.npy", "pack.json", "pictures.bin", "rows.parquet"]
    assert (place / "pictures.bin").stat().st_size == 48 * 48 * 4
