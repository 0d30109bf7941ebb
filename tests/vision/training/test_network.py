import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from vitrine.errors import BadSettings
from vitrine.settings import Model
from vitrine.vision.backbone import LEAST_SIZE, Network, check_tensors, random_tensors
from vitrine.vision.training.network import TrainedNetwork, arithmetic, pooled
from vitrine.vision.training.shipping import file_of, shipped
from vitrine.vision.weights import Weights, resolve


def squares(n: int, size: int) -> Tensor:
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def begun(backbone: str, *, pooling: str = "average", dim: int = 16) -> Weights:
    size = LEAST_SIZE.get(backbone, 32)
    found = resolve(Model(backbone=backbone, weights="random:0", image_size=size))
    return replace(found, spec=replace(found.spec, head="linear", dim=dim, pooling=pooling))


def test_generalised_mean_of_power_three() -> None:
    maps = torch.tensor([[[[1.0, 2.0], [3.0, -4.0]]]])
    assert float(pooled(maps, "gem")) == pytest.approx(((1 + 8 + 27) / 4) ** (1 / 3))
    assert float(pooled(maps, "average")) == pytest.approx(0.5)


def test_the_gradient_of_a_generalised_mean_of_nothing_is_finite() -> None:
    maps = torch.zeros(1, 2, 3, 3, requires_grad=True)
    pooled(maps, "gem").sum().backward()
    assert maps.grad is not None
    assert maps.grad.isfinite().all()


@pytest.mark.parametrize(
    ("backbone", "pooling"),
    [("resnet18", "average"), ("resnet18", "gem"), ("vgg16", "gem"), ("inception_v3", "average")],
)
def test_what_is_trained_is_what_embeds(backbone: str, pooling: str) -> None:
    weights = begun(backbone, pooling=pooling)
    torch.manual_seed(0)
    network = TrainedNetwork(weights, torch.float32).eval()
    size = weights.spec.image_size
    ships = Weights(weights.spec, network.tensors(), "")
    check_tensors(backbone, ships.tensors)
    with torch.no_grad():
        expected = Network(ships.spec, ships.tensors, torch.float32).eval()(squares(3, size))
        assert torch.allclose(network(squares(3, size)), expected, atol=1e-5)


def test_bundled_weights_are_where_training_begins() -> None:
    weights = resolve(Model())
    network = TrainedNetwork(weights, torch.float32).eval()
    with torch.no_grad():
        expected = Network(weights.spec, weights.tensors, torch.float32).eval()(squares(2, 96))
        assert torch.allclose(network(squares(2, 96)), expected, atol=1e-5)


def test_an_embedding_of_another_dimension_is_drawn_anew() -> None:
    weights = resolve(Model())
    network = TrainedNetwork(replace(weights, spec=replace(weights.spec, dim=300)), torch.float32)
    assert network.dim == 300
    assert network(squares(2, 32)).shape == (2, 300)
    assert torch.equal(network.tensors()["conv1.weight"], weights.tensors["conv1.weight"].float())


def test_every_weight_learns() -> None:
    network = TrainedNetwork(begun("resnet18"), torch.bfloat16)
    network(squares(4, 32))[:, 0].sum().backward()
    assert [name for name, one in network.named_parameters() if one.grad is None] == []


def test_features_in_bf16_are_near_those_in_fp32() -> None:
    torch.manual_seed(0)
    exact = TrainedNetwork(begun("resnet18"), torch.float32)
    low = TrainedNetwork(begun("resnet18"), torch.bfloat16)
    low.load_state_dict(exact.state_dict())
    cosines = (exact(squares(8, 32)) * low(squares(8, 32))).sum(dim=1)
    assert cosines.min().item() > 0.99


def test_shipped_weights_are_halves_for_the_last_size() -> None:
    weights = begun("resnet18", pooling="gem")
    tensors = TrainedNetwork(weights, torch.float32).tensors()
    found = shipped(tensors, weights.spec, image_size=48, origin="here", notice="CC0")
    assert {value.dtype for value in found.tensors.values()} == {torch.float16, torch.int64}
    spec = found.spec
    assert (spec.image_size, spec.resize, spec.dim, spec.pooling, spec.projection) == (48, 48, 16, "gem", None)
    assert spec.weights_sha256 != weights.spec.weights_sha256
    assert (found.origin, found.notice) == ("here", "CC0")


def test_the_same_weights_give_the_same_file() -> None:
    weights = replace(begun("resnet18"), notice="mind this")
    file = file_of(weights)
    assert all(file_of(weights) == file for _ in range(4))
    header = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])
    assert [*header] == sorted(header)
    assert [*header["__metadata__"]] == sorted(header["__metadata__"])


def test_precision_is_what_was_asked_for() -> None:
    cpu = torch.device("cpu")
    assert arithmetic("fp32", cpu) is torch.float32
    assert arithmetic("bf16", cpu) is torch.bfloat16
    with pytest.raises(BadSettings, match="fp16 is for embedding"):
        arithmetic("fp16", cpu)


@pytest.mark.parametrize(("made_for", "taken"), [("bf16", torch.bfloat16), ("fp16", torch.float32)])
def test_bf16_is_taken_where_the_machine_is_made_for_it(
    monkeypatch: pytest.MonkeyPatch, made_for: str, taken: torch.dtype
) -> None:
    monkeypatch.setattr("vitrine.vision.training.network.reduced_precision", lambda _: made_for)
    assert arithmetic("auto", torch.device("cpu")) is taken


def test_random_weights_of_a_backbone_load_whole() -> None:
    tensors = TrainedNetwork(begun("resnet34"), torch.float32).tensors()
    assert all(torch.equal(tensors[name], value) for name, value in random_tensors("resnet34", 0).items())
