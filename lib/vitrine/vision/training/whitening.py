"""PCA whitening of an embedding, folded into its last layer."""

import numpy as np
import torch
from torch import Tensor, nn

from vitrine.embedding import Vectors
from vitrine.errors import BadInput

_EPSILON = nn.BatchNorm1d(1).eps
_LEAST_VARIANCE = 1e-7  # of the largest; float32 knows no less


def whitened(tensors: dict[str, Tensor], outputs: Vectors, dim: int) -> dict[str, Tensor]:
    """The same weights with an embedding layer whose outputs are decorrelated, of equal variance, and `dim` long.

    `outputs` is (n, full) float32: what the embedding layer gives for a sample, before it is brought to unit length.
    Jegou and Chum 2012, "Negative evidences and co-occurrences in image retrieval".

    Raises:
        BadInput: `dim` is more than the layer gives, or than its outputs differ in, or the sample is too small for it.
    """
    n, full = outputs.shape
    if dim > full or n <= dim:
        raise BadInput(f"cannot whiten to {dim} dimensions: the embedding has {full}, the sample {n} pictures")
    mean = outputs.mean(axis=0, dtype=np.float64)
    variances, axes = np.linalg.eigh(np.cov(outputs.astype(np.float64), rowvar=False))
    strongest = np.argsort(-variances)[:dim]
    if (rank := int(np.count_nonzero(variances > _LEAST_VARIANCE * variances.max()))) < dim:
        raise BadInput(f"cannot whiten to {dim} dimensions: the sample differs in {rank} only")
    basis = axes[:, strongest] / np.sqrt(variances[strongest])  # (full, dim)
    gain, shift = _folded(tensors)
    weight = torch.from_numpy(basis.T) @ (tensors["embed.0.weight"].double() * gain[:, None])
    bias = torch.from_numpy(basis.T) @ (shift - torch.from_numpy(mean))
    return {
        **tensors,
        "embed.0.weight": weight.float(),
        "embed.1.weight": torch.ones(dim),
        "embed.1.bias": bias.float(),
        "embed.1.running_mean": torch.zeros(dim),
        "embed.1.running_var": torch.full((dim,), 1 - _EPSILON),
    }


def _folded(tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Gain and shift of the batch normalisation behind the linear layer."""
    scale, bias, mean, variance = (
        tensors[f"embed.1.{name}"].double() for name in ("weight", "bias", "running_mean", "running_var")
    )
    gain = scale / torch.sqrt(variance + _EPSILON)
    return gain, bias - mean * gain
