from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from vitrine.vision.backbone import Network
from vitrine.vision.precision import choose, describe, keeps_neighbours, reduced_precision
from vitrine.vision.verdict import Verdict

CPU = torch.device("cpu")
NONE = Verdict(None, "")
Floats = NDArray[np.float32]


def unit(vectors: NDArray[np.float64]) -> Floats:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def drawn(n: int, dim: int = 16, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((n, dim))


def slowly(exact: Floats, reduced: Floats) -> bool:
    """The rule word for word: cosine >= .999 and, on average, 98 % of the nearest ten kept."""
    kept = 0
    for row in range(len(exact)):
        others = [other for other in range(len(exact)) if other != row]
        tens = [
            set(sorted(others, key=lambda other, v=vectors: -float(v[other] @ v[row]))[:10])
            for vectors in (exact, reduced)
        ]
        kept += len(tens[0] & tens[1])
    cosines = [float(a @ b) for a, b in zip(exact, reduced, strict=True)]
    return min(cosines) >= 0.999 and kept / (10 * len(exact)) >= 0.98


@settings(max_examples=40)
@given(n=st.integers(11, 32), noise=st.sampled_from([0.0, 1e-4, 3e-3, 6e-3, 0.01, 0.02, 0.1]), seed=st.integers(0, 99))
def test_the_check_is_the_rule(n: int, noise: float, seed: int) -> None:
    base = drawn(n, seed=seed)
    exact, reduced = unit(base), unit(base + noise * drawn(n, seed=seed + 1000))
    assert keeps_neighbours(exact, reduced) == slowly(exact, reduced)


def test_equal_vectors_pass() -> None:
    assert keeps_neighbours(unit(drawn(32)), unit(drawn(32)))


@pytest.mark.parametrize("broken", [np.nan, np.inf, 0.0])
def test_a_vector_that_is_none_fails(broken: float) -> None:
    reduced = unit(drawn(32))
    reduced[7] = broken
    with np.errstate(invalid="ignore"):
        assert not keeps_neighbours(unit(drawn(32)), reduced)


def test_one_turned_vector_fails() -> None:
    reduced = unit(drawn(32))
    reduced[7] = -reduced[7]
    assert not keeps_neighbours(unit(drawn(32)), reduced)


def test_one_vector_too_far_from_its_own_fails_though_all_neighbours_are_kept() -> None:
    exact = np.hstack([unit(drawn(32)), np.zeros((32, 1), np.float32)])
    reduced = exact.copy()
    reduced[7, :16] *= 0.998
    reduced[7, 16] = np.sqrt(1 - 0.998**2)
    assert not keeps_neighbours(exact, reduced)
    reduced[7, :16], reduced[7, 16] = exact[7, :16] * 0.9995, np.sqrt(1 - 0.9995**2)
    assert keeps_neighbours(exact, reduced)


def test_vectors_that_are_all_alike_do_not_pass_by_that() -> None:
    """Cosines of .9999 say nothing where all pictures have them: the neighbours are other ones."""
    same = np.ones((32, 16))
    assert not keeps_neighbours(unit(same + 0.01 * drawn(32)), unit(same + 0.01 * drawn(32, seed=1)))


class Toy(nn.Module):
    """Pictures to unit vectors, turned a little for all but float32."""

    def __init__(self, dtype: torch.dtype, *, error: float) -> None:
        super().__init__()
        self.dtype = dtype
        self.error = 0.0 if dtype == torch.float32 else error

    def forward(self, pictures: Tensor) -> Tensor:
        values = pictures.flatten(1)[:, :24].float() - 128
        noise = torch.randn(values.shape, generator=torch.Generator().manual_seed(0))
        return nn.functional.normalize(values + self.error * values.norm(dim=1, keepdim=True) * noise, dim=1)


class Workshop:
    """Builds toy networks and remembers which."""

    def __init__(self, error: float = 0.0) -> None:
        self.error = error
        self.built: list[torch.dtype] = []
        self.asked = 0

    def build(self, dtype: torch.dtype) -> Network:
        self.built.append(dtype)
        return cast(Network, Toy(dtype, error=self.error))

    def samples(self) -> Tensor:
        self.asked += 1
        return torch.randint(0, 256, (32, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Make torch say whether this CPU has instructions for bf16."""

    def pretend(fast: bool) -> None:
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: fast)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: fast)

    return pretend


@pytest.mark.parametrize(("error", "wanted"), [(0.0, "bf16"), (1e-4, "bf16"), (0.05, "fp32"), (float("nan"), "fp32")])
def test_auto_takes_the_fast_type_only_if_it_keeps_the_neighbours(
    processor: Callable[[bool], None], error: float, wanted: str
) -> None:
    processor(True)
    workshop = Workshop(error)
    precision, network = choose(workshop.build, "auto", CPU, samples=workshop.samples, verdict=NONE)
    assert precision == wanted
    assert network.dtype == {"bf16": torch.bfloat16, "fp32": torch.float32}[wanted]


def test_auto_is_fp32_on_a_processor_without_fast_types(processor: Callable[[bool], None]) -> None:
    processor(False)
    workshop = Workshop()
    precision, _ = choose(workshop.build, "auto", CPU, samples=workshop.samples, verdict=NONE)
    assert (precision, workshop.built, workshop.asked) == ("fp32", [torch.float32], 0)


@pytest.mark.parametrize(
    ("wanted", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_a_precision_that_is_asked_for_is_taken_without_a_check(wanted: str, dtype: torch.dtype) -> None:
    workshop = Workshop(error=1.0)
    precision, _ = choose(workshop.build, wanted, CPU, samples=workshop.samples, verdict=NONE)
    assert (precision, workshop.built, workshop.asked) == (wanted, [dtype], 0)


def test_the_fast_type_of_a_gpu_is_fp16() -> None:
    assert reduced_precision(torch.device("cuda:1")) == "fp16"


def test_a_device_is_described_with_its_fast_precision(processor: Callable[[bool], None]) -> None:
    processor(True)
    assert "on cpu" in describe("cpu")
    assert "bf16" in describe("cpu")
