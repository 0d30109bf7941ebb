from collections.abc import Callable

import numpy as np
import pytest
import torch

from vitrine.vision.decode import fit
from vitrine.vision.training.imprinting import imprint
from vitrine.vision.training.loop import Trainer
from vitrine.vision.training.objectives import OBJECTIVES
from vitrine.vision.training.pack import Pack, centre_squares
from vitrine.vision.training.validation import embed

MakeTrainer = Callable[..., Trainer]


@pytest.mark.parametrize("name", ["softmax", "arcface", "proxy-anchor"])
def test_a_centre_is_the_mean_direction_of_the_pictures_learned_from(
    make_trainer: MakeTrainer, pack: Pack, name: str
) -> None:
    trainer = make_trainer(objectives={"category": (name, 1.0)})
    imprint(trainer)
    ((_, _, objective),) = trainer.objectives()
    vectors = embed(trainer.network, (fit(one, 40) for one in centre_squares(pack, range(len(pack)))))
    centres = next(value for value in objective.loss.parameters() if value.ndim == 2)
    centres = (centres if name == "proxy-anchor" else centres.t()).detach().numpy()
    numbers = pack.labels["category"]
    for number in range(len(pack.classes["category"])):
        mean = vectors[(numbers == number) & ~pack.held_out][:20].sum(axis=0)
        cosine = mean @ centres[number] / np.linalg.norm(mean) / np.linalg.norm(centres[number])
        assert cosine == pytest.approx(1, abs=1e-3)


def test_a_loss_without_centres_is_left_alone() -> None:
    assert [name for name in OBJECTIVES if OBJECTIVES[name](3, 4).has_centres] == ["softmax", "arcface", "proxy-anchor"]


def test_a_class_that_nothing_is_known_of_keeps_its_centre() -> None:
    objective = OBJECTIVES["proxy-anchor"](3, 4)
    (before,) = (value.detach().clone() for value in objective.parameters())
    directions = torch.eye(3, 4)
    directions[1] = 0
    objective.begin_at(directions)
    (after,) = (value.detach() for value in objective.parameters())
    assert torch.equal(after[1], before[1])
    assert torch.allclose(torch.nn.functional.normalize(after[[0, 2]]), directions[[0, 2]])
