"""Several processes: what they share, with real ones that speak by gloo."""

import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
import torch.multiprocessing
from torch import nn

from deploy.local import ports
from vitrine.errors import VitrineError
from vitrine.settings import Settings
from vitrine.vision.training.process import attempt
from vitrine.vision.training.together import joined

SEED_OF_WEIGHTS = 5


def linear() -> nn.Linear:
    torch.manual_seed(SEED_OF_WEIGHTS)
    return nn.Linear(6, 3)


def gradients(network: nn.Linear, rows: torch.Tensor) -> list[torch.Tensor]:
    network(rows).square().mean().backward()
    return [one.grad for one in network.parameters() if one.grad is not None]


def one_of_two(rank: int, port: int, place: str, rows: torch.Tensor) -> None:
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    network = linear()
    with joined("cpu") as group:
        gradients(network, rows.chunk(2)[rank])
        unused = nn.Parameter(torch.ones(2))
        group.average([*network.parameters(), unused])
        found = {"gradients": [one.grad for one in network.parameters()], "unused": unused.grad}
        torch.save({**found, "told": group.told(float(rank + 3)), "leads": group.leads}, f"{place}/{rank}.pt")


@pytest.fixture
def two(tmp_path: Path) -> Callable[[torch.Tensor], list[dict[str, object]]]:
    """Runs two processes over the rows, half for each; gives back what each of them found."""

    def run(rows: torch.Tensor) -> list[dict[str, object]]:
        torch.multiprocessing.spawn(one_of_two, (ports.free_block(1)[0], str(tmp_path), rows), nprocs=2)
        return [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]

    return run


def test_two_processes_move_as_one_does_on_their_joined_batch(
    two: Callable[[torch.Tensor], list[dict[str, object]]],
) -> None:
    rows = torch.randn(8, 6, generator=torch.Generator().manual_seed(0))
    expected = gradients(linear(), rows)
    for rank, found in enumerate(two(rows)):
        for wanted, got in zip(expected, found["gradients"], strict=True):  # type: ignore[call-overload]
            assert torch.allclose(wanted, got, atol=1e-6)
        assert torch.equal(found["unused"], torch.zeros(2))  # type: ignore[arg-type]
        assert found["told"] == 3.0
        assert found["leads"] is (rank == 0)


@pytest.mark.parametrize(
    ("rank", "said", "ends"),
    [
        ("0", "gloo/pair.cc: Connection closed by peer", RuntimeError),
        ("1", "gloo/pair.cc: Connection closed by peer", None),
        ("1", "out of memory", RuntimeError),
    ],
)
def test_where_the_leading_process_has_ended_another_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, rank: str, said: str, ends: type[Exception] | None
) -> None:
    def run(*_: object) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr("vitrine.vision.training.process.run", run)
    monkeypatch.setenv("RANK", rank)
    with pytest.raises(ends) if ends else nullcontext():
        assert isinstance(attempt(Settings().model_dump_json(), "it"), VitrineError)


def test_a_process_without_torchrun_is_alone() -> None:
    with joined() as group:
        assert (group.rank, group.size, group.leads) == (0, 1, True)
        assert group.told(0.25) == 0.25
