"""The pictures of each step: decided by its number alone, whoever draws them and when."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vitrine.vision.training.sampling import Indices, Sampler
from vitrine.vision.training.task import Course, Task
from vitrine.vision.training.views import Look, Squares, views

Batch = tuple[Tensor, list[Indices]]
"""(n, 3, size, size) uint8 pictures, those of the first task first, and the rows of its pack for each task."""

_BACKDROPS = 64
_PLAIN = Look(area=(0.4, 1.0), turn_share=0, tilt_share=0, cover_share=0)
"""How a picture looks behind a packshot."""


class Batches(Dataset[Batch]):
    """The batch of each step, for the process `rank` of `processes`."""

    def __init__(self, tasks: Sequence[Task], course: Course, *, rank: int, processes: int) -> None:
        self._tasks, self._course, self._rank = tasks, course, rank
        self._samplers = [Sampler(task.pack, per_class=task.per_class) for task in tasks]
        total = sum(task.share for task in tasks)
        self._counts = [max(2, round(course.batch / processes * task.share / total)) for task in tasks]

    def __len__(self) -> int:
        return self._course.steps

    def __getitem__(self, step: int) -> Batch:
        seed, size = (self._course.seed, step, self._rank), self._course.size(step)
        drawn = [self._draw(number, seed) for number in range(len(self._tasks))]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> 1))
            backdrops = _backdrops(self._tasks, drawn, size)
            shown = [
                views(_squares(task, rows), backdrops, size, task.look)
                for task, rows in zip(self._tasks, drawn, strict=True)
            ]
        return torch.cat(shown), drawn

    def _draw(self, number: int, seed: tuple[int, ...]) -> Indices:
        task, n = self._tasks[number], self._counts[number]
        if not task.same:
            return self._samplers[number].draw(n, (*seed, number))
        return np.tile(self._samplers[number].draw(n // 2, (*seed, number)), 2)


def stream(batches: Batches, first: int, *, loaders: int, pinned: bool) -> Iterator[Batch]:
    """The batches from step `first` on, drawn ahead by that many processes; by 0 when they are asked for."""
    loader: DataLoader[Batch] = DataLoader(
        batches, batch_size=None, sampler=range(first, len(batches)), num_workers=loaders, collate_fn=_as_it_is,
        pin_memory=pinned,
    )  # fmt: skip
    return iter(loader)


def _as_it_is(batch: Any) -> Any:
    return batch


def _squares(task: Task, rows: Indices) -> Squares:
    pictures = torch.from_numpy(task.pack.pictures[rows])
    return Squares(pictures, torch.from_numpy(task.pack.boxes[rows]), packshots=task.packshots)


def _backdrops(tasks: Sequence[Task], drawn: Sequence[Indices], size: int) -> Tensor:
    none = torch.empty(0, 3, size, size, dtype=torch.uint8)
    shown = [
        views(_squares(task, rows[:_BACKDROPS]), none, size, _PLAIN)
        for task, rows in zip(tasks, drawn, strict=True)
        if task.backdrops
    ]
    return torch.cat([none, *shown])
