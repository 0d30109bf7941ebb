import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from vitrine.errors import VitrineError
from vitrine.vision.training.batches import Batches, stream
from vitrine.vision.training.loop import Trainer
from vitrine.vision.training.pack import Pack
from vitrine.vision.training.task import Course
from vitrine.vision.training.together import Group

MakeTrainer = Callable[..., Trainer]


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {**trainer.network.state_dict(), **{f"average {k}": v for k, v in trainer.average.state_dict().items()}}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def walk(trainer: Trainer, steps: int) -> list[dict[str, float]]:
    return [trainer.advance() for _ in range(steps)]


def test_a_restored_trainer_goes_on_as_if_nothing_had_been(make_trainer: MakeTrainer) -> None:
    whole = make_trainer()
    told = walk(whole, 4)
    first, second = make_trainer(), make_trainer()
    walk(first, 3)
    second.restore(copy.deepcopy(first.state()))
    torch.rand(7)  # whatever else was drawn meanwhile
    assert walk(second, 1) == told[3:]
    assert same(weights_of(second), weights_of(whole))


def test_another_seed_gives_other_weights(make_trainer: MakeTrainer) -> None:
    one, other = make_trainer(), make_trainer(seed=1)
    walk(one, 1)
    walk(other, 1)
    assert not same(weights_of(one), weights_of(other))


def test_every_loss_is_told_by_name(make_trainer: MakeTrainer) -> None:
    losses = make_trainer().advance()
    assert losses.keys() == {"drawn category", "drawn colour", "drawn same"}
    assert all(math.isfinite(loss) and loss >= 0 for loss in losses.values())


def test_one_batch_again_and_again_is_learned_by_heart(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(steps=30)
    pictures, drawn = Batches(trainer.tasks, trainer.course, rank=0, processes=1)[0]
    told = []
    for step in range(12):
        trainer.step = step
        told.append(sum(trainer.learn(pictures, drawn).values()))
    assert min(told[-3:]) < told[0] / 2


def test_a_loss_that_is_not_finite_ends_the_run_before_the_weights_are_spoilt(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    with torch.no_grad():
        trainer.network.embed[1].weight[0] = math.nan
    before = copy.deepcopy(weights_of(trainer))
    with pytest.raises(VitrineError, match=r"^the loss of step 0 is not finite: lower train\.learning_rate$"):
        trainer.advance()
    after = {name: value for name, value in weights_of(trainer).items() if "running" not in name and "num_" not in name}
    assert all(torch.equal(value.nan_to_num(7), before[name].nan_to_num(7)) for name, value in after.items())


def test_batches_are_the_same_whoever_draws_them(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(steps=3)
    batches = Batches(trainer.tasks, trainer.course, rank=0, processes=1)
    for (alone, rows), (ahead, others) in zip(
        stream(batches, 0, loaders=0, pinned=False), stream(batches, 0, loaders=2, pinned=False), strict=True
    ):
        assert torch.equal(alone, ahead)
        assert [one.tolist() for one in rows] == [one.tolist() for one in others]


def test_a_batch_is_decided_by_its_step_seed_and_process(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(steps=3)

    def batch(step: int, rank: int = 0) -> torch.Tensor:
        return Batches(trainer.tasks, trainer.course, rank=rank, processes=2)[step][0]

    assert torch.equal(batch(1), batch(1))
    assert not torch.equal(batch(1)[:, :, :32, :32], batch(2)[:, :, :32, :32])
    assert not torch.equal(batch(1), batch(1, rank=1))
    assert len(batch(1)) == trainer.course.batch / 2


def test_pictures_come_in_two_views_where_views_are_learned(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(batch=12)
    pictures, (rows,) = Batches(trainer.tasks, trainer.course, rank=0, processes=1)[0]
    assert rows[:6].tolist() == rows[6:].tolist()
    assert not torch.equal(pictures[:6], pictures[6:])


def test_tasks_share_a_batch_as_they_were_told(make_trainer: MakeTrainer, pack: Pack) -> None:
    tasks = [*make_trainer(share=3.0, same=0.0).tasks, *make_trainer(share=1.0, backdrops=True).tasks]
    pictures, drawn = Batches(tasks, make_trainer(batch=16).course, rank=0, processes=1)[0]
    assert [len(rows) for rows in drawn] == [12, 4]
    assert len(pictures) == 16
    assert not pack.held_out[np.concatenate(drawn)].any()


def test_sizes_follow_the_course() -> None:
    course = Course(10, 8, 0.1, [(0.5, 32), (1, 48)], 0.9, 0)
    assert [course.size(step) for step in range(10)] == [32] * 5 + [48] * 5
    assert course.last_size == 48


def test_a_rank_without_any_class_takes_the_gradient_of_the_others(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its class centres have no gradient of their own; all processes must still send as many numbers."""
    sent: list[int] = []
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda flat: sent.append(len(flat)))
    trainer = make_trainer(group=Group(0, 2, torch.device("cpu")))
    pictures, (rows,) = Batches(trainer.tasks, trainer.course, rank=0, processes=2)[0]
    nothing: dict[str, Any] = {name: np.full_like(values, -1) for name, values in trainer.tasks[0].pack.labels.items()}
    trainer.learn(pictures, [rows])
    known = dict(trainer.tasks[0].pack.labels)
    try:
        trainer.tasks[0].pack.labels.update(nothing)
        trainer.learn(pictures, [rows])
    finally:
        trainer.tasks[0].pack.labels.update(known)
    assert sent[0] == sent[1]
