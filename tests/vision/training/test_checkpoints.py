from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from vitrine.errors import BadInput
from vitrine.storage import Directory, directory
from vitrine.vision.training import checkpoints
from vitrine.vision.training.checkpoints import Checkpoint, Validation

LOSSES = {"colour": ("softmax", 1.0)}
DECIDED: dict[str, Any] = {"steps": 10, "peak": 0.1, "sizes": [(0.5, 32), (1, 48)], "catalog losses": LOSSES}
TRAINER = {"step": 4, "network": {"conv1.weight": torch.arange(6.0)}}


@pytest.fixture
def place(tmp_path: Path) -> Directory:
    return directory(str(tmp_path))


@pytest.fixture
def kept() -> Checkpoint:
    validations = (Validation(0, {"a recall@1": 0.25, "a map@r": 0.1}, 0.0, 0.01),)
    return Checkpoint(DECIDED, TRAINER, validations, {"conv1.weight": torch.ones(2)}, (1.5, 1.25), 7.5)


def test_a_checkpoint_comes_back_as_it_was(place: Directory, kept: Checkpoint) -> None:
    checkpoints.save(place, kept)
    found = checkpoints.load(place, DECIDED)
    assert found is not None
    assert (found.validations, found.losses, found.seconds) == (kept.validations, kept.losses, kept.seconds)
    assert found.trainer["step"] == 4
    assert torch.equal(found.trainer["network"]["conv1.weight"], torch.arange(6.0))
    assert torch.equal(found.best["conv1.weight"], torch.ones(2))


def test_where_there_is_none_a_run_begins(place: Directory) -> None:
    assert checkpoints.load(place, DECIDED) is None


def test_the_score_is_the_mean_of_what_was_found_first() -> None:
    one = Validation(0, {"a recall@1": 0.25, "b recall@1": 0.75, "a recall@10": 0.9, "a map@r": 0.1}, 0.0, 0.01)
    assert one.score == 0.5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 20}, "was made with steps = 10, not 20"),
        ({"sizes": [(1, 48)]}, "was made with sizes"),
        ({"catalog losses": {"colour": ("triplet", 1.0)}}, "was made with catalog losses"),
        ({"more": 1}, "was made with more = null, not 1"),
    ],
)
def test_other_settings_are_refused_by_name(
    place: Directory, kept: Checkpoint, changes: dict[str, Any], said: str
) -> None:
    checkpoints.save(place, kept)
    with pytest.raises(BadInput, match=said) as refused:
        checkpoints.load(place, {**DECIDED, **changes})
    assert "name another --run" in str(refused.value)


def test_what_was_decided_and_is_no_more_is_told(place: Directory, kept: Checkpoint) -> None:
    checkpoints.save(place, kept)
    with pytest.raises(BadInput, match=r"peak = 0\.1, not null"):
        checkpoints.load(place, {name: value for name, value in DECIDED.items() if name != "peak"})


def flipped(data: bytes) -> bytes:
    """One bit of a tensor's number is another."""
    place = data.index(torch.arange(6.0).numpy().tobytes())
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize("spoil", [lambda data: data[:-100], lambda data: b"", lambda data: data[:50], flipped])
def test_a_checkpoint_that_is_cut_short_or_changed_is_told(
    place: Directory, kept: Checkpoint, spoil: Callable[[bytes], bytes]
) -> None:
    checkpoints.save(place, kept)
    place.write(checkpoints.CHECKPOINT, spoil(place.read(checkpoints.CHECKPOINT)))
    with pytest.raises(BadInput, match=r"checkpoint\.pt is not whole: delete it to begin again"):
        checkpoints.load(place, DECIDED)


class Unwritable:
    def __reduce__(self) -> str:
        raise RuntimeError("no room")


def test_a_save_that_fails_leaves_the_last_one(place: Directory, kept: Checkpoint, tmp_path: Path) -> None:
    checkpoints.save(place, kept)
    before = (tmp_path / checkpoints.CHECKPOINT).read_bytes()
    with pytest.raises(RuntimeError):
        checkpoints.save(place, replace(kept, trainer={"step": Unwritable()}))
    assert (tmp_path / checkpoints.CHECKPOINT).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [checkpoints.CHECKPOINT]
