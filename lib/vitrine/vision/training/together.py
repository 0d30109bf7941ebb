"""Processes that train together: each learns from its own pictures, all take the mean of their gradients."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed
from torch import Tensor
from torch.nn.parameter import Parameter

from vitrine.vision.engine import device_of

_PATIENCE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Group:
    """This process among `size` that train together; `device` is what it computes on."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this is the process that validates, saves and speaks."""
        return self.rank == 0

    def average(self, parameters: Iterable[Parameter]) -> None:
        """Let every process have the mean gradient of all; one that has none for a parameter counts as zero."""
        if self.size == 1:
            return
        gradients = [_gradient(one) for one in parameters]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        torch.distributed.all_reduce(flat)
        flat /= self.size
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    def told(self, value: float) -> float:
        """The value that the leading process gives, for all."""
        if self.size == 1:
            return value
        shared: Tensor = torch.tensor([value], dtype=torch.float64, device=self.device)
        torch.distributed.broadcast(shared, 0)
        return float(shared)


def is_leading() -> bool:
    """Whether torchrun's variables name this process the leading one, or name none."""
    return os.environ.get("RANK", "0") == "0"


def _gradient(parameter: Parameter) -> Tensor:
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


@contextmanager
def joined(device: str = "auto") -> Iterator[Group]:
    """The group that torchrun's variables name; without them this process alone.

    `device` is `auto`, `cpu`, `cuda` or `cuda:N`. Of several processes each takes a GPU of its own and they speak by
    nccl; where there are not enough GPUs, or by wish, all compute on the CPU and speak by gloo. They wait for each
    other, and for the validations of the leading one, for a day.

    Raises:
        BadInput: torch does not see that GPU.
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Group(0, 1, torch.device(device_of(None, device)))
        return
    local, beside = int(os.environ["LOCAL_RANK"]), int(os.environ.get("LOCAL_WORLD_SIZE", size))
    with_gpu = device != "cpu" and torch.cuda.device_count() >= beside
    where = torch.device("cuda", local) if with_gpu else torch.device("cpu")
    if with_gpu:
        torch.cuda.set_device(where)
    torch.distributed.init_process_group("nccl" if with_gpu else "gloo", timeout=_PATIENCE)
    try:
        yield Group(rank, size, where)
    finally:
        torch.distributed.destroy_process_group()
