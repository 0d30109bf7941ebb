"""Class centres that begin where the network already puts the pictures of their class."""

from collections.abc import Iterator

import numpy as np
import torch

from vitrine.vision.decode import fit
from vitrine.vision.training.loop import Trainer
from vitrine.vision.training.pack import Pack, centre_squares
from vitrine.vision.training.sampling import Indices
from vitrine.vision.training.validation import embed

PER_CLASS, MOST = 20, 20_000
"""Pictures that a centre is the mean of, and that all centres of a label are made of, at most."""


def imprint(trainer: Trainer) -> None:
    """Let the centres of all losses that have some be mean vectors of the pictures learned from.

    For networks that know something already: centres drawn by chance would first unlearn it. Where there are too many
    classes for a look at each, the others keep their centres. Always the same draw. Qi et al. 2018, "Low-shot learning
    with imprinted weights".
    """
    size = trainer.course.last_size
    for task, column, objective in trainer.objectives():
        if not objective.has_centres:
            continue
        rows = np.concatenate([*_some(task.pack, column, trainer.course.seed)])[:MOST]
        vectors = embed(trainer.network, (fit(one, size) for one in centre_squares(task.pack, rows)))
        sums = np.zeros((len(task.pack.classes[column]), vectors.shape[1]), np.float32)
        np.add.at(sums, task.pack.labels[column][rows], vectors)
        objective.begin_at(torch.from_numpy(sums))


def _some(pack: Pack, column: str, seed: int) -> Iterator[Indices]:
    """Rows of each class, as many of each as leave room for all."""
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(~pack.held_out & (pack.labels[column] >= 0)))
    order = rows[np.argsort(pack.labels[column][rows], kind="stable")]
    starts = np.unique(pack.labels[column][order], return_index=True)[1]
    each = min(PER_CLASS, max(1, MOST // len(starts)))
    for some in np.split(order, starts[1:]):
        yield some[:each]
