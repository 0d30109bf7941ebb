"""From trained tensors to weights that every program of Vitrine can load."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from vitrine.embedding import Vectors
from vitrine.vision.backbone import check_tensors
from vitrine.vision.decode import fit
from vitrine.vision.metadata import header_of
from vitrine.vision.spec import ModelSpec
from vitrine.vision.training.network import TrainedNetwork
from vitrine.vision.training.pack import Pack, centre_squares
from vitrine.vision.training.task import Task
from vitrine.vision.training.validation import validate
from vitrine.vision.training.whitening import whitened
from vitrine.vision.weights import Weights, digest

SAMPLE = 8_000
"""Pictures that a whitening is fitted on, at most."""
_BATCH = 128


def shipped(tensors: Mapping[str, Tensor], begun: ModelSpec, *, image_size: int, origin: str, notice: str) -> Weights:
    """Weights in half precision, for pictures of `image_size` pixels; `begun` is the spec that was trained.

    Raises:
        BadInput: a number is too large for half precision.
    """
    half = {
        name: (value.half() if value.dtype.is_floating_point else value).contiguous() for name, value in tensors.items()
    }
    check_tensors(begun.backbone, half)
    spec = replace(
        begun,
        weights_sha256=digest(half),
        image_size=image_size,
        resize=image_size,
        head="linear",
        projection=None,
        dim=len(half["embed.0.weight"]),
    )
    return Weights(spec, half, origin, notice)


def judged(weights: Weights, tasks: Sequence[Task]) -> dict[str, float]:
    """What `vitrine.vision.training.validation.validate` finds of weights as they ship."""
    return validate(TrainedNetwork(weights, torch.float32), tasks, weights.spec.image_size)


def file_of(weights: Weights) -> bytes:
    """The safetensors file that `--model.weights FILE` takes; it says of itself what the tensors do not.

    The same weights always give the same bytes.
    """
    spec = weights.spec
    facts = {
        "arch": f"torchvision.{spec.backbone}",
        "pooling": spec.pooling,
        **({"notice": weights.notice} if weights.notice else {}),
        **{
            name: json.dumps(value)
            for name, value in (
                ("input_size", spec.image_size),
                ("resize_size", spec.resize),
                ("mean", spec.mean),
                ("std", spec.std),
            )
        },
    }
    return _in_order(safetensors.torch.save(dict(weights.tensors), facts))


def _in_order(file: bytes) -> bytes:
    """The same with a sorted header: what is no tensor stands there in any order."""
    said, end = header_of(file)
    header = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + file[end:]


def sample_of(packs: Sequence[Pack]) -> list[int]:
    """How many pictures of each pack a whitening is fitted on."""
    return [min(SAMPLE // len(packs), int(np.count_nonzero(~pack.held_out))) for pack in packs]


def whiten(
    tensors: Mapping[str, Tensor], begun: ModelSpec, packs: Sequence[Pack], *, image_size: int, dim: int, seed: int
) -> dict[str, Tensor]:
    """The weights with a PCA whitening to `dim` dimensions, fitted on 8,000 of the pictures learned from at most.

    Raises:
        BadInput: as `vitrine.vision.training.whitening.whitened`.
    """
    network = TrainedNetwork(Weights(begun, tensors, ""), torch.float32).eval()
    dice = np.random.default_rng(seed)
    outputs: list[Vectors] = []
    for pack, n in zip(packs, sample_of(packs), strict=True):
        rows = dice.permutation(np.flatnonzero(~pack.held_out))[:n]
        pictures = (fit(one, image_size) for one in centre_squares(pack, rows))
        while batch := list(islice(pictures, _BATCH)):
            with torch.no_grad():
                outputs.append(network.outputs(torch.stack(batch)).numpy())
    return whitened(dict(tensors), np.concatenate(outputs), dim)
