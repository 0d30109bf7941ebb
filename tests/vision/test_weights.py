import hashlib
import json
import math
import pickle
import socket
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from vitrine.errors import BadInput, BadSettings
from vitrine.settings import Model
from vitrine.vision import weights
from vitrine.vision.backbone import random_tensors
from vitrine.vision.metadata import LONGEST_NOTICE
from vitrine.vision.training import shipping
from vitrine.vision.weights import Weights, bundled_bytes, digest, resolve

State = dict[str, Tensor]
V1 = "resnet18-f37072fd.pth"  # torchvision's file of resnet18's IMAGENET1K_V1


@pytest.fixture(scope="module")
def state() -> State:
    """Tensors of an untrained ResNet-18, in half precision since that is half the work."""
    return {name: tensor.half() for name, tensor in random_tensors("resnet18", 5).items()}


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    """Write a weights file: safetensors of a state with metadata, or what torch.save makes of anything."""

    def write(content: Any, name: str = "net.safetensors", **metadata: str) -> str:
        path = tmp_path / name
        if name.endswith(".safetensors"):
            path.write_bytes(safetensors.torch.save(content, metadata or None))
        else:
            torch.save(content, path)
        return str(path)

    return write


@pytest.fixture
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch's downloads, and no way out of this machine."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # it remembers proxies
    cache = tmp_path / "torch" / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    return cache


def refusal(error: type[Exception] = BadInput, **model: Any) -> str:
    with pytest.raises(error) as refused:
        resolve(Model(**model))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def by_hand(data: bytes) -> str:
    """The digest, from the bytes of a .safetensors file and its format's description alone."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    types = {"F16": "torch.float16", "F32": "torch.float32", "I64": "torch.int64"}
    total = hashlib.sha256()
    for name in sorted(header.keys() - {"__metadata__"}):
        entry = header[name]
        total.update(f"{name} {types[entry['dtype']]} {tuple(entry['shape'])}\n".encode())
        first, last = entry["data_offsets"]
        total.update(data[start + first : start + last])
    return total.hexdigest()


def test_the_bundled_weights_say_what_they_are() -> None:
    bundled = resolve(Model())
    spec = bundled.spec
    assert (spec.backbone, spec.image_size, spec.resize, spec.dim) == ("resnet18", 96, 96, 256)
    assert (spec.pooling, spec.head, spec.projection) == ("average", "linear", None)
    assert spec.model_id == "114fe8d70785"
    assert "LICENSE.weights.md" in bundled.notice


def test_a_file_says_in_one_line_what_people_must_know_of_it(tmp_path: Path) -> None:
    known = replace(resolve(Model(weights="random:1")), notice="for research\n\x1b[31monly " + "x" * 5_000)
    file = tmp_path / "given.safetensors"
    file.write_bytes(shipping.file_of(known))
    found = resolve(Model(weights=str(file)))
    assert found.notice.startswith("for research [31monly xxx")
    assert len(found.notice) == LONGEST_NOTICE
    assert found.spec.model_id == known.spec.model_id


def test_the_licence_names_the_very_file_beside_it() -> None:
    licence = resources.files("vitrine.vision").joinpath("bundled", "LICENSE.weights.md").read_text()
    assert hashlib.sha256(bundled_bytes()).hexdigest() in licence


def test_the_digest_of_the_bundled_weights_is_that_of_their_bytes() -> None:
    assert resolve(Model()).spec.weights_sha256 == by_hand(bundled_bytes())


def test_what_weights_say_of_their_pooling_holds() -> None:
    assert resolve(Model(pooling="gem")).spec.model_id == resolve(Model()).spec.model_id


@pytest.mark.parametrize("change", ["name", "type", "shape", "value"])
def test_the_digest_follows_names_types_shapes_and_values(change: str) -> None:
    plain = torch.arange(4, dtype=torch.float32)
    turned = plain.clone()
    turned[3] = math.nextafter(3, 4)
    others: dict[str, Mapping[str, Tensor]] = {
        "name": {"b": plain},
        "type": {"a": plain.view(torch.int32)},
        "shape": {"a": plain.reshape(2, 2)},
        "value": {"a": plain + 1e-6},
    }
    assert digest({"a": plain}) == digest({"a": torch.arange(8, dtype=torch.float32)[:4].clone()})
    assert digest(others[change]) != digest({"a": plain})


@pytest.mark.parametrize(("ending", "wrapped"), [("pth", False), ("pt", True)])
def test_the_same_tensors_are_the_same_model_in_any_file(
    file: Callable[..., str], state: State, ending: str, wrapped: bool
) -> None:
    kept = resolve(Model(weights=file(state)))
    content = {"state_dict": state, "epoch": 7, "optimizer": {"lr": 0.1}} if wrapped else state
    pickled = resolve(Model(weights=file(content, f"net.{ending}")))
    assert pickled.spec == kept.spec
    assert pickled.spec.model_id == kept.spec.model_id


@pytest.mark.parametrize(
    "change", [{"weights": "random:6"}, {"image_size": 96}, {"pooling": "gem"}, {"dim": 64}, {"backbone": "resnet34"}]
)
def test_the_model_id_follows_what_changes_vectors(change: dict[str, Any]) -> None:
    plain = {"weights": "random:5"}
    assert resolve(Model(**{**plain, **change})).spec.model_id != resolve(Model(**plain)).spec.model_id


@pytest.mark.parametrize(
    "change", [{"precision": "fp32"}, {"device": "cuda:1"}, {"batch_size": 7}, {"store": "/s"}, {"dim": 512}]
)
def test_the_model_id_does_not_follow_what_leaves_vectors_alone(change: dict[str, Any]) -> None:
    plain = {"weights": "random:5"}
    assert resolve(Model(**plain, **change)).spec.model_id == resolve(Model(**plain)).spec.model_id


def test_random_weights_depend_on_their_seed_alone() -> None:
    before = torch.random.get_rng_state()
    ids = [resolve(Model(weights=f"random:{seed}")).spec.weights_sha256 for seed in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_random_weights_say_loudly_that_they_are_untrained() -> None:
    assert "UNTRAINED" in resolve(Model(weights="random:1")).notice


@pytest.mark.parametrize("name", ["random:x", "random:", "random:-1", "random:²", "random:1.5", "random:" + "9" * 30])
def test_a_seed_that_is_no_number_is_refused(name: str) -> None:
    assert "random:SEED" in refusal(BadSettings, weights=name)


def test_unknown_names_are_answered_with_the_choices() -> None:
    said = refusal(BadSettings, weights="IMAGENET22K")
    assert all(choice in said for choice in ("IMAGENET22K", "bundled", "random:SEED", ".pth", "IMAGENET1K_V1"))
    assert "resnet18, resnet34" in refusal(BadSettings, backbone="alexnet")


def test_a_file_with_the_expected_sha256_passes_and_another_is_refused(file: Callable[..., str], state: State) -> None:
    path = file(state)
    sha256 = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert resolve(Model(weights=path, weights_sha256=sha256)).spec.backbone == "resnet18"
    said = refusal(weights=path, weights_sha256="0" * 64)
    assert all(part in said for part in (path, sha256, "0" * 64))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path}/none.pth: No such file" in refusal(weights=f"{tmp_path}/none.pth")
    (tmp_path / "dir.pth").mkdir()
    assert "dir.pth" in refusal(weights=f"{tmp_path}/dir.pth")


@pytest.mark.parametrize("name", ["net.safetensors", "net.pth"])
def test_a_file_cut_short_is_refused(file: Callable[..., str], name: str) -> None:
    path = Path(file({"conv1.weight": torch.ones(64, 3, 7, 7)}, name))
    whole = path.read_bytes()
    for keep in (0, 5, 5_000, -1):
        path.write_bytes(whole[:keep])
        assert f"{path} is no weights file" in refusal(weights=str(path))


class Attack:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def test_code_in_a_file_is_not_run(tmp_path: Path, file: Callable[..., str]) -> None:
    mark = tmp_path / "was run"
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Attack(mark)))
    paths = [file({"extra": Attack(mark)}, "net.pth"), str(tmp_path / "plain.pth")]
    for path in paths:
        said = refusal(weights=path)
        assert path in said
        assert "weights_only=False" not in said
    assert not mark.exists()


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": 3}, {}, {1: 2}, torch.zeros(3)])
def test_a_file_without_tensors_is_refused(file: Callable[..., str], content: object) -> None:
    assert "no tensor conv1.weight" in refusal(weights=file(content, "net.pth"))


def test_weights_of_another_backbone_are_refused(file: Callable[..., str], state: State) -> None:
    said = refusal(weights=file(state), backbone="resnet50")
    assert "another shape" in said
    assert "model.backbone" in said
    assert "holds resnet18, model.backbone is resnet50" in refusal(backbone="resnet50")


@pytest.mark.parametrize(
    ("name", "tensor", "said"),
    [
        ("conv1.weight", None, "no tensor conv1.weight"),
        ("conv1.weight", torch.zeros(64, 3, 3, 3), "conv1.weight is (64, 3, 3, 3), resnet18 wants (64, 3, 7, 7)"),
        ("bn1.bias", torch.full((64,), torch.nan), "bn1.bias of the weights holds other things than finite numbers"),
        ("bn1.bias", torch.zeros(64, dtype=torch.int32), "bn1.bias of the weights"),
        ("embed.0.bias", torch.zeros(8), "embedding layer of another kind (embed.0.bias)"),
        ("embed.0.weight", torch.zeros(8, 512), "embedding layer of another kind"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(
    file: Callable[..., str], state: State, name: str, tensor: Tensor | None, said: str
) -> None:
    changed = {key: value for key, value in {**state, name: tensor}.items() if value is not None}
    assert said in refusal(weights=file(changed))


@pytest.mark.parametrize(
    ("name", "shape"), [("embed.0.weight", (8, 99)), ("embed.0.weight", (8,)), ("embed.1.bias", (9,))]
)
def test_an_embedding_layer_that_does_not_fit_is_refused(
    file: Callable[..., str], state: State, name: str, shape: tuple[int, ...]
) -> None:
    layer = {f"embed.1.{part}": torch.ones(8) for part in ("weight", "bias", "running_mean", "running_var")}
    changed = {**state, **layer, "embed.0.weight": torch.zeros(8, 512)}
    assert resolve(Model(weights=file(changed))).spec.dim == 8
    assert "embed" in refusal(weights=file({**changed, name: torch.zeros(shape)}))


@pytest.mark.parametrize(
    "metadata",
    [
        {"input_size": "16"},
        {"input_size": "5000"},
        {"input_size": '"big"'},
        {"input_size": "96", "resize_size": "64"},
        {"input_size": "96", "resize_size": "960"},
        {"std": "[0, 1, 1]"},
        {"std": "[1, 1]"},
        {"mean": "3"},
        {"mean": "[NaN, 0, 0]"},
        {"mean": "no json"},
    ],
)
def test_a_file_that_states_an_impossible_input_is_refused(
    file: Callable[..., str], state: State, metadata: dict[str, str]
) -> None:
    path = file(state, **metadata)
    assert path in refusal(weights=path)


def test_what_a_file_states_of_its_input_travels_with_it(file: Callable[..., str], state: State) -> None:
    path = file(state, input_size="128", resize_size="144", mean="[0, 0, 0]", std="[1, 1, 1]", pooling="gem 3")
    spec = resolve(Model(weights=path)).spec
    assert (spec.image_size, spec.resize, spec.pooling) == (128, 144, "gem")
    assert json.dumps([spec.mean, spec.std]) == "[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]"
    assert resolve(Model(weights=path, image_size=64)).spec.resize == 72


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"dim": 257}, "more than the 256"),
        ({"backbone": "inception_v3", "weights": "random:0", "image_size": 74}, "75"),
    ],
)
def test_what_the_weights_cannot_give_is_refused(model: dict[str, Any], said: str) -> None:
    assert said in refusal(BadSettings, **model)


def test_a_name_of_torchvision_brings_its_preprocessing(torch_home: Path, state: State) -> None:
    torch.save(state, torch_home / V1)
    named = resolve(Model(weights="IMAGENET1K_V1"))
    assert (named.spec.image_size, named.spec.resize) == (224, 256)
    assert digest(named.tensors) == digest(state)
    assert resolve(Model(weights=str(torch_home / V1))).spec == named.spec


def test_inception_is_fed_as_torchvision_feeds_it(torch_home: Path) -> None:
    """Its published weights expect pictures from -1 to 1, whatever their transforms state."""
    tensors = {name: tensor.half() for name, tensor in random_tensors("inception_v3", 0).items()}
    torch.save(tensors, torch_home / "inception_v3_google-0cc3c7bd.pth")
    spec = resolve(Model(backbone="inception_v3", weights="IMAGENET1K_V1")).spec
    assert (spec.image_size, spec.resize, spec.mean, spec.std) == (299, 342, (0.5,) * 3, (0.5,) * 3)


def test_code_in_a_downloaded_file_is_not_run(torch_home: Path, tmp_path: Path) -> None:
    torch.save({"a": Attack(tmp_path / "was run")}, torch_home / V1)
    refusal(weights="IMAGENET1K_V1")
    assert not (tmp_path / "was run").exists()


def test_without_a_way_out_the_error_says_which_file_to_pass(torch_home: Path) -> None:
    said = refusal(weights="IMAGENET1K_V1")
    assert f"pass --model.weights {V1}" in said
    assert socket.getdefaulttimeout() is None


def test_a_server_that_never_answers_is_given_up(torch_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(weights, "_CONNECT_S", 0.2)
        assert V1 in refusal(weights="IMAGENET1K_V1")


def test_weights_are_told_with_their_origin(file: Callable[..., str], state: State) -> None:
    path = file(state)
    origins = {model: found.origin for model in ("bundled", "random:1", path) if (found := found_for(model))}
    assert origins == {"bundled": "bundled", "random:1": "random:1", path: path}


def found_for(name: str) -> Weights:
    return resolve(Model(weights=name))
