"""What training asks of vectors, by name: losses of pytorch-metric-learning."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from pytorch_metric_learning import distances, losses, miners
from torch import Tensor, nn


class Objective(nn.Module):
    """A loss over unit vectors (n, dim) and class numbers (n,); rows of class -1 are left out.

    Some have parameters of their own, which are trained and thrown away.
    """

    def __init__(self, loss: nn.Module, miner: Any = None) -> None:
        super().__init__()
        self.loss = loss
        self._miner = miner

    def forward(self, vectors: Tensor, classes: Tensor) -> Tensor:
        """The mean loss; 0 where no row has a class."""
        known = classes >= 0
        if not known.any():
            return vectors.sum() * 0
        vectors, classes = vectors[known], classes[known]
        mined = self._miner(vectors, classes) if self._miner else None
        found: Tensor = self.loss(vectors, classes, mined)
        return found

    @property
    def has_centres(self) -> bool:
        """Whether each class has a centre, which is trained."""
        return self._centres() is not None

    def begin_at(self, directions: Tensor) -> None:
        """Turn the centres into these directions, (classes, dim); rows of zeros change nothing."""
        centres = self._centres()
        assert centres is not None, "asked only where has_centres"
        wanted = nn.functional.normalize(directions.to(centres)) * centres.norm(dim=1).mean()
        with torch.no_grad():
            centres.copy_(torch.where(directions.to(centres).norm(dim=1, keepdim=True) > 0, wanted, centres))

    def _centres(self) -> Tensor | None:
        """(classes, dim), a view of the loss's own parameter."""
        found: Tensor | None = None
        if isinstance(self.loss, losses.ProxyAnchorLoss):
            found = self.loss.proxies
        elif isinstance(self.loss, losses.NormalizedSoftmaxLoss | losses.ArcFaceLoss):
            found = self.loss.W.t()
        return found


def _softmax(classes: int, dim: int) -> Objective:
    return Objective(losses.NormalizedSoftmaxLoss(classes, dim, temperature=0.05))


def _arcface(classes: int, dim: int) -> Objective:
    return Objective(losses.ArcFaceLoss(classes, dim, margin=17.2, scale=32))  # 0.3 rad


def _proxies(classes: int, dim: int) -> Objective:
    return Objective(losses.ProxyAnchorLoss(classes, dim, margin=0.1, alpha=32))  # Kim et al. 2020, arXiv 2003.13911


def _triplet(classes: int, dim: int) -> Objective:
    distance = distances.CosineSimilarity()
    return Objective(losses.TripletMarginLoss(0.1, distance=distance), miners.BatchHardMiner(distance=distance))


def _multi_similarity(classes: int, dim: int) -> Objective:
    return Objective(losses.MultiSimilarityLoss(2, 50, 0.5), miners.MultiSimilarityMiner(0.1))  # arXiv 1904.06627


def _nt_xent(classes: int, dim: int) -> Objective:
    return Objective(losses.NTXentLoss(temperature=0.1))  # SimCLR, arXiv 2002.05709


OBJECTIVES: Mapping[str, Callable[[int, int], Objective]] = {
    "softmax": _softmax,
    "arcface": _arcface,
    "proxy-anchor": _proxies,
    "triplet": _triplet,
    "multi-similarity": _multi_similarity,
    "nt-xent": _nt_xent,
}
"""Makes the objective of that name for a number of classes and a dimension."""
