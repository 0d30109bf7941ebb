import math
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from vitrine.settings import Model
from vitrine.vision.backbone import POOLED_DIM, Network, orthogonal
from vitrine.vision.spec import IMAGENET_MEAN, IMAGENET_STD, ModelSpec
from vitrine.vision.weights import Weights, resolve

State = dict[str, Tensor]
CLASSIFIERS = ("fc.", "classifier.", "AuxLogits.")
SIZES = {"inception_v3": 107, "vgg16": 64}


def squares(n: int, size: int, seed: int = 0) -> Tensor:
    """(n, 3, size, size) uint8 pictures with shapes of several scales."""
    drawn = torch.rand((n, 3, 8, 8), generator=torch.Generator().manual_seed(seed))
    smooth = nn.functional.interpolate(drawn, (size, size), mode="bicubic")
    return (smooth * 255).clamp(0, 255).to(torch.uint8)


def worn(backbone: str, seed: int = 0) -> State:
    """Random tensors of a backbone whose batch normalisation has seen something."""
    dice = torch.Generator().manual_seed(seed)
    state = {}
    for name, empty in plain(backbone, {}).state_dict().items():
        drawn = torch.randn(empty.shape, generator=dice) if not name.startswith(CLASSIFIERS) else torch.empty(0)
        if empty.ndim == 4:
            state[name] = drawn * math.sqrt(2 / empty[0].numel())
        elif name.endswith(("running_var", "weight")):
            state[name] = 1 + 0.2 * drawn.abs()
        elif name.endswith(("running_mean", "bias")) and drawn.numel():
            state[name] = 0.1 * drawn
    return {name: tensor for name, tensor in state.items() if tensor.numel() and not name.startswith(CLASSIFIERS)}


def plain(backbone: str, state: State, **options: bool) -> nn.Module:
    """Torchvision's own network with those tensors; without memory for what is not among them."""
    if backbone in ("inception_v3", "vgg16"):
        options["init_weights"] = False
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model: nn.Module = torchvision.models.get_model(backbone, weights=None, **options)
    _, unexpected = model.load_state_dict(state, strict=False, assign=True)
    assert unexpected == []
    return model.eval()


def last_map(model: nn.Module, normal: Tensor) -> Tensor:
    """The last feature map, (n, pooled, h, w)."""
    layers = [name for name, _ in model.named_children()]
    last = next(name for name in ("layer4", "Mixed_7c", "features") if name in layers)
    with torch.inference_mode():
        maps: Tensor = create_feature_extractor(model, {last: "map"}, suppress_diff_warning=True)(normal)["map"]
    return maps


def normalised(pictures: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (pictures.float() / 255 - mean) / std


def run(weights_: Weights | tuple[ModelSpec, State], pictures: Tensor) -> Tensor:
    spec, tensors = weights_ if isinstance(weights_, tuple) else (weights_.spec, weights_.tensors)
    network = Network(spec, tensors, torch.float32).eval()
    with torch.inference_mode():
        vectors: Tensor = network(pictures)
    return vectors


def spec_of(backbone: str, size: int, pooling: str = "average") -> ModelSpec:
    mean, std = ((0.5,) * 3, (0.5,) * 3) if backbone == "inception_v3" else (IMAGENET_MEAN, IMAGENET_STD)
    return ModelSpec(backbone, "", size, size, mean, std, pooling, "none", None, POOLED_DIM[backbone])


def unit(vectors: Tensor) -> Tensor:
    return nn.functional.normalize(vectors, dim=1)


@pytest.mark.parametrize("backbone", POOLED_DIM)
def test_a_folded_network_gives_the_pooled_features_of_torchvisions(backbone: str) -> None:
    """Inception v3 turns ImageNet's normalisation into its own at its door, as torchvision's weights want it."""
    size = SIZES.get(backbone, 64)
    state = worn(backbone)
    options = {"transform_input": True} if backbone == "inception_v3" else {}
    pictures = squares(2, size)
    wanted = unit(last_map(plain(backbone, state, **options), normalised(pictures)).mean((2, 3)))
    found = run((spec_of(backbone, size), state), pictures)
    assert found.shape == (2, POOLED_DIM[backbone])
    assert torch.allclose(found, wanted, atol=1e-4)
    assert float((found * wanted).sum(1).min()) > 1 - 1e-4
    seen = wanted[0] - wanted[1]
    assert float((found[0] - found[1] - seen).norm()) < 0.01 * float(seen.norm())


@pytest.mark.parametrize("backbone", ["resnet18", "inception_v3"])
def test_settings_give_the_normalisation_of_the_backbone(backbone: str) -> None:
    spec = resolve(Model(backbone=backbone, weights="random:0")).spec
    expected = spec_of(backbone, 0)
    assert (spec.mean, spec.std) == (expected.mean, expected.std)


def test_generalised_mean_pooling_is_the_cube_root_of_the_mean_cube() -> None:
    state = worn("resnet18")
    pictures = squares(2, 64)
    maps = last_map(plain("resnet18", state), normalised(pictures)).clamp(min=1e-6)
    wanted = unit((maps**3).mean((2, 3)) ** (1 / 3))
    found = run((spec_of("resnet18", 64, "gem"), state), pictures)
    assert torch.allclose(found, wanted, atol=1e-4)


@pytest.fixture(scope="module")
def bundled() -> Weights:
    return resolve(Model())


@pytest.fixture(scope="module")
def embedded(bundled: Weights) -> Callable[[Tensor], Tensor]:
    """The bundled model built from torchvision and torch.nn alone: pictures in, embeddings before the norm out."""
    body = {name: tensor.float() for name, tensor in bundled.tensors.items() if not name.startswith("embed.")}
    model = plain("resnet18", body)
    head = nn.Sequential(nn.Linear(512, 256, bias=False), nn.BatchNorm1d(256)).eval()
    head.load_state_dict(
        {name.removeprefix("embed."): t.float() for name, t in bundled.tensors.items() if name.startswith("embed.")}
    )

    def embed(pictures: Tensor) -> Tensor:
        with torch.inference_mode():
            vectors: Tensor = head(last_map(model, normalised(pictures)).mean((2, 3)))
        return vectors

    return embed


def test_the_bundled_head_is_a_linear_layer_and_a_batch_normalisation(
    bundled: Weights, embedded: Callable[[Tensor], Tensor]
) -> None:
    pictures = squares(4, 96)
    assert torch.allclose(run(bundled, pictures), unit(embedded(pictures)), atol=1e-4)


def test_a_smaller_dimension_is_an_orthogonal_projection(
    bundled: Weights, embedded: Callable[[Tensor], Tensor]
) -> None:
    pictures = squares(4, 96)
    wanted = unit(embedded(pictures) @ orthogonal(64, 256).T)
    found = run((resolve(Model(dim=64)).spec, dict(bundled.tensors)), pictures)
    assert found.shape == (4, 64)
    assert torch.allclose(found, wanted, atol=1e-4)


@settings(max_examples=25)
@given(columns=st.integers(2, 96), share=st.floats(0.01, 1))
def test_the_rows_of_a_projection_are_orthonormal(columns: int, share: float) -> None:
    rows = max(1, math.floor(share * columns))
    basis = orthogonal(rows, columns)
    assert basis.shape == (rows, columns)
    assert torch.allclose(basis @ basis.T, torch.eye(rows), atol=1e-5)
    assert torch.equal(basis, orthogonal(rows, columns))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_vectors_are_unit_rows_and_no_pictures_neighbours_matter(bundled: Weights, precision: torch.dtype) -> None:
    pictures = squares(9, 96)
    network = Network(bundled.spec, bundled.tensors, precision).eval()
    with torch.inference_mode():
        together = network(pictures)
        alone = torch.cat([network(pictures[n : n + 1]) for n in range(len(pictures))])
    assert together.dtype == torch.float32
    assert np.allclose(together.norm(dim=1), 1, atol=1e-5)
    assert float((together * alone).sum(1).min()) >= 0.9999
    assert torch.allclose(together, alone, atol=1e-2 if precision == torch.bfloat16 else 1e-5)


def test_the_pictures_given_are_not_changed(bundled: Weights) -> None:
    pictures = squares(2, 96)
    before = pictures.clone()
    run(bundled, pictures)
    assert torch.equal(pictures, before)


def test_the_tensors_given_are_not_changed() -> None:
    state = worn("resnet18")
    before = {name: tensor.clone() for name, tensor in state.items()}
    Network(spec_of("resnet18", 64), state, torch.bfloat16)
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.items())


def test_a_network_has_no_trace_of_batch_normalisation(bundled: Weights) -> None:
    network = Network(replace(bundled.spec), bundled.tensors, torch.float32)
    assert not [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
