import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch

from vitrine.errors import BadInput, Unavailable
from vitrine.settings import Model, Pictures
from vitrine.vision.engine import Engine, EngineRequest
from vitrine.vision.model_store import find, publish
from vitrine.vision.weights import Weights, digest, resolve

UNKNOWN = "0123456789ab"


@pytest.fixture(scope="module")
def weights() -> Weights:
    return resolve(Model(weights="random:1", image_size=32))


@pytest.fixture
def store(tmp_path: Path, weights: Weights) -> Path:
    """A store that holds the untrained model."""
    publish(weights, str(tmp_path))
    return tmp_path


def files(store: Path) -> list[str]:
    return sorted(path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file())


def test_a_published_model_gives_the_same_vectors(store: Path, weights: Weights, pictures: list[bytes]) -> None:
    model = Model(precision="fp32")
    found = find(weights.spec.model_id, str(store))
    assert (found.spec, found.origin, found.notice) == (weights.spec, weights.origin, weights.notice)
    vectors = []
    for one in (weights, found):
        engine = Engine(one, EngineRequest(one.spec, model, Pictures(), None))
        assert engine.model_id == weights.spec.model_id
        vectors.append(np.concatenate([batch.vectors for batch in engine.embed(enumerate(pictures[:8]))]))
    assert np.array_equal(*vectors)


def test_a_model_is_two_files_below_its_id(store: Path, weights: Weights) -> None:
    model_id = weights.spec.model_id
    assert files(store) == [f"{model_id}/model.json", f"{model_id}/weights.safetensors"]
    assert json.loads((store / model_id / "model.json").read_text())["model_id"] == model_id


def test_what_is_said_of_a_training_later_takes_the_place_of_what_was_said(store: Path, weights: Weights) -> None:
    home = store / weights.spec.model_id
    tensors = (home / "weights.safetensors").stat().st_mtime_ns
    publish(replace(weights, notice="mine"), str(store), training={"steps": 5})
    publish(weights, str(store))
    told = json.loads((home / "model.json").read_text())
    assert (told["notice"], told["training"]) == ("mine", {"steps": 5})
    assert (home / "weights.safetensors").stat().st_mtime_ns == tensors


def test_a_model_that_is_there_is_left_alone(store: Path, weights: Weights) -> None:
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    publish(weights, str(store))
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


def test_tensors_that_share_memory_can_be_published(tmp_path: Path, weights: Weights) -> None:
    tied = {**weights.tensors, "tied.weight": weights.tensors["conv1.weight"]}
    spec = replace(weights.spec, weights_sha256=digest(tied))
    publish(Weights(spec, tied, "tied"), str(tmp_path))
    assert find(spec.model_id, str(tmp_path)).tensors.keys() == tied.keys()


def test_the_bundled_model_needs_no_store(tmp_path: Path) -> None:
    bundled = resolve(Model()).spec
    assert find(bundled.model_id, None).spec == bundled
    assert find(bundled.model_id, str(tmp_path / "none")).spec == bundled


def test_an_id_that_is_nowhere_is_told_with_both_places(store: Path) -> None:
    with pytest.raises(BadInput) as refused:
        find(UNKNOWN, str(store))
    assert all(part in str(refused.value) for part in (UNKNOWN, str(store), "bundled", "model.store"))
    with pytest.raises(BadInput, match=f"{UNKNOWN} is not in the bundled models"):
        find(UNKNOWN, None)


def test_a_publisher_killed_between_the_files_leaves_no_model(store: Path, weights: Weights) -> None:
    model_id = weights.spec.model_id
    (store / model_id / "model.json").unlink()
    (store / model_id / "weights.safetensors").write_bytes(b"of an earlier attempt")
    with pytest.raises(BadInput, match="is not in the model store"):
        find(model_id, str(store))
    publish(weights, str(store))
    assert find(model_id, str(store)).spec == weights.spec


def flip_tensor(folder: Path) -> None:
    data = bytearray((folder / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(data)


def drop_tensor(folder: Path) -> None:
    tensors = safetensors.torch.load((folder / "weights.safetensors").read_bytes())
    tensors.pop("conv1.weight")
    (folder / "weights.safetensors").write_bytes(safetensors.torch.save(tensors))


def change_spec(folder: Path, **change: Any) -> None:
    facts = json.loads((folder / "model.json").read_text())
    facts["spec"] |= change
    (folder / "model.json").write_text(json.dumps(facts))


@pytest.mark.parametrize(
    "tamper",
    [
        flip_tensor,
        drop_tensor,
        lambda folder: change_spec(folder, resize=40),
        lambda folder: change_spec(folder, unheard=1),
        lambda folder: change_spec(folder, mean=3),
        lambda folder: (folder / "model.json").write_text("{}"),
        lambda folder: (folder / "model.json").write_text("[1]"),
        lambda folder: (folder / "model.json").write_bytes(b"\xff"),
        lambda folder: (folder / "weights.safetensors").write_bytes(b""),
        lambda folder: (folder / "weights.safetensors").unlink(),
        lambda folder: folder.rename(folder.with_name(UNKNOWN)),
    ],
)
def test_a_store_that_was_changed_is_refused(store: Path, weights: Weights, tamper: Callable[[Path], object]) -> None:
    tamper(store / weights.spec.model_id)
    model_id = UNKNOWN if (store / UNKNOWN).exists() else weights.spec.model_id
    with pytest.raises(BadInput, match=f"does not hold model {model_id}") as refused:
        find(model_id, str(store))
    assert "publish the model again" in str(refused.value)


def test_a_store_that_does_not_answer_may_do_so_later(store: Path, weights: Weights) -> None:
    tensors = store / weights.spec.model_id / "weights.safetensors"
    tensors.unlink()
    tensors.symlink_to("/proc/self/mem")  # it can be opened, but reading its first page fails
    with pytest.raises(Unavailable):
        find(weights.spec.model_id, str(store))


def test_the_same_model_can_be_published_by_many_at_once(tmp_path: Path, weights: Weights) -> None:
    start = threading.Barrier(4)

    def work(_: int) -> Weights:
        start.wait()
        publish(weights, str(tmp_path))
        return find(weights.spec.model_id, str(tmp_path))

    with ThreadPoolExecutor(4) as pool:
        assert [found.spec for found in pool.map(work, range(4))] == [weights.spec] * 4
    assert len(files(tmp_path)) == 2
