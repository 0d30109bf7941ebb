import pytest
import torch
from torch import Tensor, nn

from vitrine.vision.training.objectives import OBJECTIVES

CLASSES, DIM = 4, 8


def unit(n: int, seed: int = 0) -> Tensor:
    drawn = torch.randn(n, DIM, generator=torch.Generator().manual_seed(seed))
    return nn.functional.normalize(drawn, dim=1).requires_grad_()


@pytest.fixture(params=sorted(OBJECTIVES))
def objective(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return OBJECTIVES[request.param](CLASSES, DIM)


def test_rows_without_a_class_count_nothing(objective: nn.Module) -> None:
    vectors, classes = unit(12), torch.tensor([0, 0, -1, 1, 1, -1, 2, 2, 3, 3, -1, -1])
    known = classes >= 0
    loss = objective(vectors, classes)
    assert loss.item() == pytest.approx(objective(vectors[known], classes[known]).item(), rel=1e-6)
    loss.backward()
    assert not vectors.grad[~known].any()
    assert vectors.grad[known].any()


def test_without_any_class_the_loss_is_zero_and_has_a_gradient(objective: nn.Module) -> None:
    vectors = unit(6)
    loss = objective(vectors, torch.full((6,), -1))
    loss.backward()
    assert loss.item() == 0
    assert not vectors.grad.any()


def test_classes_apart_cost_less_than_classes_mixed(objective: nn.Module) -> None:
    """Vectors may lie at their class's own centre, where the objective has centres of its own."""
    classes = torch.arange(CLASSES).repeat(3)
    own = next((one for one in objective.parameters() if one.numel() == CLASSES * DIM), torch.eye(CLASSES, DIM))
    centres = own.detach().t() if own.shape == (DIM, CLASSES) else own.detach()
    apart = nn.functional.normalize(centres[classes] + 0.1 * unit(12).detach(), dim=1)
    assert objective(apart, classes).item() < objective(apart, classes.sort().values).item()


def test_two_views_are_pulled_together_without_any_label() -> None:
    """NT-Xent as its paper writes it, by hand: each row's partner against all other rows."""
    objective = OBJECTIVES["nt-xent"](0, DIM)
    vectors = unit(6, seed=3)
    pictures = torch.tensor([0, 1, 2, 0, 1, 2])
    scores = (vectors @ vectors.t() / 0.1).detach()
    expected = 0.0
    for i in range(6):
        others = [j for j in range(6) if j != i]
        expected += float(torch.logsumexp(scores[i, others], 0) - scores[i, (i + 3) % 6]) / 6
    assert objective(vectors, pictures).item() == pytest.approx(expected, rel=1e-5)
