from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor, nn

from vitrine.errors import BadInput
from vitrine.settings import Model
from vitrine.vision.backbone import Network
from vitrine.vision.device import Cpu, OneShape, Pass
from vitrine.vision.passes import Passes
from vitrine.vision.weights import resolve

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Narrow(Cpu):
    """A device with memory for so many pictures; it notes what sizes were tried."""

    room: int = 1
    tried: list[int] = field(default_factory=list)

    def prepared(self, network: Network, batch_size: int) -> Pass:
        self.tried.append(batch_size)

        def run(squares: Tensor) -> Tensor:
            if batch_size > self.room:
                raise torch.OutOfMemoryError
            assert len(squares) <= batch_size
            return network(squares)

        return run


@pytest.fixture(scope="module")
def network() -> Network:
    weights = resolve(Model(weights="random:0", image_size=32))
    return Network(weights.spec, weights.tensors, torch.float32).eval()


def squares(n: int) -> Tensor:
    return torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(n))


def same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool((one * other).sum(1).min() >= 0.9999)


def test_where_memory_runs_out_the_batch_is_halved_once_for_all(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    device = Narrow(room=3)
    passes = Passes(network, device, batch_size=8)
    with torch.inference_mode():
        assert same(passes(squares(8)), network(squares(8)))
        assert same(passes(squares(5)), network(squares(5)))
    assert device.tried == [8, 4, 2]
    assert passes.batch_size == 2
    assert [record.message for record in caplog.records] == [
        f"out of memory on cpu: batch_size={size} from now on" for size in (4, 2)
    ]


def test_without_memory_for_one_picture_that_is_said_in_one_line(network: Network) -> None:
    device = Narrow(room=0)
    with pytest.raises(BadInput, match=r"cpu has no memory for one picture of 32 pixels through resnet18.*=cpu"):
        Passes(network, device, batch_size=2)(squares(2))
    assert device.tried == [2, 1]


def test_any_other_error_of_the_network_passes(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Tensor) -> Tensor:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(network, "forward", fail)
    with pytest.raises(RuntimeError, match="no such kernel"):
        Passes(network, Cpu(), batch_size=2)(squares(2))


class Watched(nn.Module):
    """A network that notes the shapes that it is given."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.spec = network.spec
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, pictures: Tensor) -> Tensor:
        self.shapes.append(tuple(pictures.shape))
        assert pictures.is_contiguous(memory_format=torch.channels_last)
        found: Tensor = self.network(pictures)
        return found


@pytest.mark.parametrize("layout", [Tensor.contiguous, lambda few: few.contiguous(memory_format=torch.channels_last)])
def test_a_network_of_one_shape_gives_the_rows_that_were_asked_for(
    network: Network, layout: Callable[[Tensor], Tensor]
) -> None:
    watched = Watched(network)
    run = OneShape(watched, 4, CPU)  # type: ignore[arg-type]
    with torch.inference_mode():
        first = run(layout(squares(4)))
        kept = first.clone()
        for n in (1, 3):
            assert same(run(layout(squares(n))), network(squares(n)))
    assert torch.equal(first, kept)
    assert set(watched.shapes) == {(4, 3, 32, 32)}
