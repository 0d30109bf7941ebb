"""A training run: steps, validations and checkpoints, from wherever the last process of that run came to."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vitrine.storage import Directory
from vitrine.telemetry import Progress, progress
from vitrine.vision.training import checkpoints
from vitrine.vision.training.checkpoints import Checkpoint, Validation
from vitrine.vision.training.loop import Trainer
from vitrine.vision.training.manners import give_way
from vitrine.vision.training.validation import validate

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """When a run validates, saves and gives up: steps, seconds, and validations without a better one.

    A `polite` one waits while benchmarks run.
    """

    validate_every: int
    checkpoint_s: float
    patience: int
    polite: bool = False


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run came to: the best weights, all validations, how many steps there were and their seconds."""

    tensors: Mapping[str, Tensor]
    validations: tuple[Validation, ...]
    steps: int
    seconds: float

    @property
    def best(self) -> Validation:
        """The validation of the weights."""
        return max(self.validations, key=lambda one: one.score)


def train(trainer: Trainer, pace: Pace, place: Directory, decided: Mapping[str, Any]) -> Trained:
    """Train to the end of the course, or until it no longer gets better; goes on from the checkpoint in `place`.

    What is validated and kept is the moving average of the weights. Every step is decided by its number, so a run that
    was killed ends as if it had not been. Only the leading process saves and knows the weights in the end.

    Raises:
        BadInput: the checkpoint is not whole, or something else was `decided`.
        VitrineError: the loss is not finite.
    """
    run = _Run(trainer, pace, place=place, decided=decided)
    run.resume()
    with progress("training", trainer.course.steps, "steps") as shown:
        run.finish(shown)
    return run.trained()


class _Run:
    def __init__(self, trainer: Trainer, pace: Pace, *, place: Directory, decided: Mapping[str, Any]) -> None:
        self._trainer, self._pace, self._place, self._decided = trainer, pace, place, decided
        self._leads = trainer.group.leads
        self._validations: tuple[Validation, ...] = ()
        self._best: Mapping[str, Tensor] = {}
        self._losses: tuple[float, ...] = ()
        self._seconds = 0.0

    def resume(self) -> None:
        found = checkpoints.load(self._place, self._decided)
        if found is None:
            return
        self._trainer.restore(found.trainer)
        self._validations, self._best = found.validations, found.best
        self._losses, self._seconds = found.losses, found.seconds
        if self._leads:
            logger.info("going on at step %d of %d", self._trainer.step, self._trainer.course.steps)

    def finish(self, shown: Progress) -> None:
        if not self._validations:
            self._validate()
        saved_s = time.monotonic()
        while self._trainer.step < self._trainer.course.steps and not self._has_stalled():
            self._advance()
            shown.update(self._trainer.step)
            due = self._is_due()
            if due:
                self._validate()
            if self._leads and (due or time.monotonic() - saved_s > self._pace.checkpoint_s):
                self._save()
                saved_s = time.monotonic()

    def trained(self) -> Trained:
        return Trained(self._best, self._validations, self._trainer.step, self._seconds)

    def _advance(self) -> None:
        self._give_way()
        began_s = time.monotonic()
        losses = self._trainer.advance()
        self._seconds += time.monotonic() - began_s
        self._losses = (*self._losses, sum(losses.values()) / len(losses))

    def _give_way(self) -> None:
        if self._pace.polite:
            give_way()

    def _is_due(self) -> bool:
        step = self._trainer.step
        return step % self._pace.validate_every == 0 or step == self._trainer.course.steps

    def _validate(self) -> None:
        """Judge the weights; what the leading process finds decides for all whether they go on."""
        self._give_way()
        trainer = self._trainer
        shares = validate(trainer.average, trainer.tasks, trainer.course.last_size) if self._leads else {}
        loss = sum(self._losses) / len(self._losses) if self._losses else 0.0
        found = Validation(trainer.step, shares, loss, trainer.learning_rate)
        score = trainer.group.told(found.score if self._leads else 0.0)
        if not self._leads:
            found = Validation(trainer.step, {"recall@1": score}, loss, trainer.learning_rate)
        elif all(score > one.score for one in self._validations):
            self._best = {name: value.clone() for name, value in trainer.average.tensors().items()}
        self._validations, self._losses = (*self._validations, found), ()
        if self._leads:
            told = " ".join(f"{name.replace(' ', '_')}={share:.3f}" for name, share in shares.items())
            logger.info("validation step=%d loss=%.3f score=%.4f %s", found.step, loss, score, told)

    def _has_stalled(self) -> bool:
        """Judged is at the last size: what was learned at smaller ones may be worse, and does not count."""
        course, best = self._trainer.course, max(self._validations, key=lambda one: one.score)
        later = [one.step for one in self._validations if one.step > best.step]
        return sum(course.size(step - 1) == course.last_size for step in later) >= self._pace.patience

    def _save(self) -> None:
        state = self._trainer.state()
        checkpoints.save(
            self._place,
            Checkpoint(self._decided, state, self._validations, self._best, self._losses, self._seconds),
        )
