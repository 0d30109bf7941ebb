"""Training, step by step: each is decided by its number alone, so that a killed run goes on as if undisturbed."""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from vitrine.errors import VitrineError
from vitrine.vision.training.batches import Batch, Batches, stream
from vitrine.vision.training.network import TrainedNetwork
from vitrine.vision.training.objectives import OBJECTIVES, Objective
from vitrine.vision.training.sampling import Indices
from vitrine.vision.training.schedule import follow, learning_rate
from vitrine.vision.training.task import Course, Task
from vitrine.vision.training.together import Group

MOMENTUM, DECAY = 0.9, 5e-4
_LARGEST_NORM = 5.0


class Trainer:
    """A network in training. `state` and `restore` carry everything that the next step depends on."""

    def __init__(
        self, network: TrainedNetwork, tasks: Sequence[Task], course: Course, group: Group, *, loaders: int = 0
    ) -> None:
        self.step = 0
        self.tasks, self.course, self.group = tasks, course, group
        self.network = network.to(group.device)
        self.average = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        dim = network.dim
        self._objectives = nn.ModuleDict(
            {
                _key(task, column): OBJECTIVES[name](len(task.pack.classes[column]), dim)
                for task in tasks
                for column, (name, _) in task.objectives.items()
            }
        ).to(group.device)
        self._same: Objective = OBJECTIVES["nt-xent"](0, dim)
        self._batches = Batches(tasks, course, rank=group.rank, processes=group.size)
        self._loaders = loaders
        self._coming: Iterator[Batch] | None = None
        self._optimizer = torch.optim.SGD(
            _groups(self.network, self._objectives), lr=course.peak, momentum=MOMENTUM, nesterov=True
        )

    @property
    def learning_rate(self) -> float:
        """That of the next step."""
        return learning_rate(self.step, self.course.steps, self.course.peak)

    def objectives(self) -> Iterator[tuple[Task, str, Objective]]:
        """The loss of each label column of each task."""
        for task in self.tasks:
            for column in task.objectives:
                yield task, column, cast(Objective, self._objectives[_key(task, column)])

    def advance(self) -> dict[str, float]:
        """Do one step; returns the losses by name.

        Raises:
            VitrineError: the loss or its gradient is not finite, in any of the processes.
        """
        pictures, drawn = self.next_batch()
        told = self.learn(pictures.to(self.group.device, non_blocking=True), drawn)
        self.step += 1
        return told

    def learn(self, pictures: Tensor, drawn: Sequence[Indices]) -> dict[str, float]:
        """Move the weights by one batch, which is on the device; returns the losses by name."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.learning_rate
        self.network.train()
        total, told = self._losses(self.network(pictures), drawn)
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        trained = [*self.network.parameters(), *self._objectives.parameters()]
        self.group.average(trained)
        norm = nn.utils.clip_grad_norm_(trained, _LARGEST_NORM)
        if not math.isfinite(float(norm)):
            raise VitrineError(f"the loss of step {self.step} is not finite: lower train.learning_rate")
        self._optimizer.step()
        follow(self.average, self.network, step=self.step, decay=self.course.average)
        return {name: float(loss) for name, loss in told.items()}

    def next_batch(self) -> Batch:
        """The pictures of the next step that was not asked for yet; `advance` takes them by itself."""
        if self._coming is None:
            pinned = self.group.device.type == "cuda"
            self._coming = stream(self._batches, self.step, loaders=self._loaders, pinned=pinned)
        return next(self._coming)

    def _losses(self, vectors: Tensor, drawn: Sequence[Indices]) -> tuple[Tensor, dict[str, Tensor]]:
        total, told, start = vectors.sum() * 0, {}, 0
        for task, rows in zip(self.tasks, drawn, strict=True):
            mine, start = vectors[start : start + len(rows)], start + len(rows)
            for column, (_, weight) in task.objectives.items():
                classes = torch.from_numpy(task.pack.labels[column][rows]).to(vectors.device)
                loss = self._objectives[_key(task, column)](mine, classes)
                total, told[f"{task.pack.name} {column}"] = total + weight * _part(mine, vectors) * loss, loss.detach()
            if task.same:
                products = torch.from_numpy(task.pack.products[rows]).to(vectors.device)
                loss = self._same(mine, products)
                total, told[f"{task.pack.name} same"] = total + task.same * _part(mine, vectors) * loss, loss.detach()
        return total, told

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on beside tasks and course."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "objectives": self._objectives.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to where `state` was taken."""
        self.step, self._coming = state["step"], None
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._objectives.load_state_dict(state["objectives"])
        self._optimizer.load_state_dict(state["optimizer"])


def _key(task: Task, column: str) -> str:
    return f"{task.pack.name}:{column}".replace(".", "_")


def _part(mine: Tensor, vectors: Tensor) -> float:
    return len(mine) / len(vectors)


def _groups(network: nn.Module, objectives: nn.Module) -> list[dict[str, Any]]:
    """Matrices and kernels decay; norms, biases and class centres do not."""
    named = list(network.parameters())
    return [
        {"params": [value for value in named if value.ndim > 1], "weight_decay": DECAY},
        {"params": [*(value for value in named if value.ndim <= 1), *objectives.parameters()], "weight_decay": 0.0},
    ]
