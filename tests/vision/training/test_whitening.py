from collections.abc import Callable

import numpy as np
import pytest
import torch

from vitrine.errors import BadInput
from vitrine.rendering import draw, jpeg, look
from vitrine.settings import Model, Pictures
from vitrine.vision.decode import decode, fit
from vitrine.vision.engine import Engine, EngineRequest
from vitrine.vision.model_store import find, publish
from vitrine.vision.training import shipping
from vitrine.vision.training.network import TrainedNetwork
from vitrine.vision.training.pack import Pack, centre_squares
from vitrine.vision.training.whitening import whitened
from vitrine.vision.weights import Weights

Tensors = dict[str, torch.Tensor]


@pytest.fixture
def head() -> Tensors:
    """An embedding layer of 6 dimensions whose batch normalisation has seen something."""
    dice = torch.Generator().manual_seed(0)
    return {
        "embed.0.weight": torch.randn(6, 512, generator=dice),
        "embed.1.weight": 1 + torch.rand(6, generator=dice),
        "embed.1.bias": torch.randn(6, generator=dice),
        "embed.1.running_mean": torch.randn(6, generator=dice),
        "embed.1.running_var": 1 + torch.rand(6, generator=dice),
    }


def outputs(head: Tensors, pooled: torch.Tensor) -> np.ndarray:
    """What an embedding layer gives, as its definition says."""
    scale = head["embed.1.weight"] / torch.sqrt(head["embed.1.running_var"] + 1e-5)
    linear = pooled @ head["embed.0.weight"].t()
    return ((linear - head["embed.1.running_mean"]) * scale + head["embed.1.bias"]).numpy()


@pytest.fixture
def sample() -> torch.Tensor:
    return torch.randn(400, 512, generator=torch.Generator().manual_seed(1))


def test_whitened_outputs_are_those_of_principal_components(head: Tensors, sample: torch.Tensor) -> None:
    before = outputs(head, sample).astype(np.float64)
    after = outputs(whitened(head, before.astype(np.float32), 4), sample)
    centred = before - before.mean(axis=0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    expected = centred @ axes[:4].T / (singular[:4] / np.sqrt(len(centred) - 1))
    assert after.shape == (400, 4)
    assert np.allclose(np.abs(after), np.abs(expected), atol=1e-3)  # the sign of an axis is arbitrary


@pytest.mark.parametrize("dim", [2, 6])
def test_whitened_outputs_are_decorrelated_and_of_equal_variance(head: Tensors, sample: torch.Tensor, dim: int) -> None:
    after = outputs(whitened(head, outputs(head, sample), dim), sample)
    assert np.allclose(after.mean(axis=0), 0, atol=1e-3)
    assert np.allclose(np.cov(after, rowvar=False), np.eye(dim), atol=1e-3)


@pytest.mark.parametrize(("dim", "n"), [(7, 400), (6, 6)])
def test_what_cannot_be_whitened_is_told(head: Tensors, sample: torch.Tensor, dim: int, n: int) -> None:
    with pytest.raises(BadInput, match=f"cannot whiten to {dim} dimensions: the embedding has 6, the sample {n}"):
        whitened(head, outputs(head, sample)[:n], dim)


def test_dimensions_in_which_nothing_differs_are_told(head: Tensors, sample: torch.Tensor) -> None:
    flat = outputs(head, sample)
    flat[:, 5] = flat[:, 4]
    with pytest.raises(BadInput, match="cannot whiten to 6 dimensions: the sample differs in 5 only"):
        whitened(head, flat, 6)


def test_numbers_that_half_precision_cannot_hold_are_told(untrained: Weights) -> None:
    tensors = TrainedNetwork(untrained, torch.float32).tensors()
    tensors["embed.1.weight"] = tensors["embed.1.weight"] * 1e6
    with pytest.raises(BadInput, match=r"embed\.1\.weight of the weights holds other things than finite numbers"):
        shipping.shipped(tensors, untrained.spec, image_size=48, origin="test", notice="")


def test_a_whitened_model_embeds_through_the_store_and_the_ordinary_engine(
    pack: Pack, untrained: Weights, tmp_path_factory: pytest.TempPathFactory, pictures_of: Callable[[], list[bytes]]
) -> None:
    torch.manual_seed(0)
    network = TrainedNetwork(untrained, torch.float32).eval()
    tensors = shipping.whiten(network.tensors(), untrained.spec, [pack], image_size=48, dim=5, seed=0)
    weights = shipping.shipped(tensors, untrained.spec, image_size=48, origin="test", notice="")
    store = str(tmp_path_factory.mktemp("store"))
    publish(weights, store)
    found = find(weights.spec.model_id, store)
    engine = Engine(found, EngineRequest(found.spec, Model(precision="fp32"), Pictures(), None))
    vectors = np.concatenate([batch.vectors for batch in engine.embed(enumerate(pictures_of()))])
    squares = torch.stack([fit(decode(data, Pictures()), 48) for data in pictures_of()])
    learned = torch.stack([fit(one, 48) for one in centre_squares(pack, np.flatnonzero(~pack.held_out))])
    with torch.no_grad():
        expected = by_hand(network.outputs(learned).numpy(), network.outputs(squares).numpy(), 5)
    assert vectors.shape == (6, 5)
    assert np.allclose(vectors @ vectors.T, expected @ expected.T, atol=0.02)  # the weights ship as halves


def by_hand(sample: np.ndarray, asked: np.ndarray, dim: int) -> np.ndarray:
    """Unit vectors of principal components, each divided by its deviation in the sample."""
    mean = sample.mean(axis=0)
    _, singular, axes = np.linalg.svd(sample - mean, full_matrices=False)
    found = (asked - mean) @ axes[:dim].T / singular[:dim]
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture
def pictures_of() -> Callable[[], list[bytes]]:
    return lambda: [jpeg(draw(look(number), size=48)) for number in range(6)]
