"""The network while it is trained: a backbone of torchvision with an embedding head, as weights ship."""

from collections import OrderedDict
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from vitrine.errors import BadSettings
from vitrine.vision.backbone import POOLED_DIM, has_embedding
from vitrine.vision.precision import DTYPES, reduced_precision
from vitrine.vision.training.convolution import speed_up
from vitrine.vision.weights import Weights

_CLASSIFIERS = ("avgpool", "dropout", "fc", "classifier", "AuxLogits")
_GEM_POWER = 3.0  # as in vitrine.vision.backbone, which embeds with what is trained here


class TrainedNetwork(nn.Module):
    """(n, 3, size, size) uint8 pictures in, (n, dim) float32 unit vectors out; gradients flow.

    Starts from the tensors of `weights`, whose spec says the dimension and the pooling that are wanted; an embedding
    layer of another dimension, or none, is drawn anew by torch's generator. Features are computed in `dtype`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, weights: Weights, dtype: torch.dtype) -> None:
        super().__init__()
        spec, tensors = weights.spec, weights.tensors
        self.pooling, self.dtype = spec.pooling, dtype
        self.features = _features(spec.backbone)
        given = {name: value.float() for name, value in tensors.items()}
        self.features.load_state_dict(given, strict=False)  # `resolve` has checked that all are there
        self.embed = nn.Sequential(nn.Linear(POOLED_DIM[spec.backbone], spec.dim, bias=False), nn.BatchNorm1d(spec.dim))
        if has_embedding(tensors) and len(tensors["embed.0.weight"]) == spec.dim:
            head = {name.removeprefix("embed."): value for name, value in given.items() if name.startswith("embed.")}
            self.embed.load_state_dict(head, strict=False)
        self.register_buffer("mean", torch.tensor(spec.mean).mul(255).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).mul(255).view(3, 1, 1), persistent=False)
        if dtype is torch.bfloat16:
            speed_up(self.features)
        self.to(memory_format=torch.channels_last)

    @property
    def dim(self) -> int:
        """Dimension of the vectors."""
        return self.embed[1].num_features  # type: ignore[return-value]

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        return nn.functional.normalize(self.outputs(pictures), dim=1)

    def outputs(self, pictures: Tensor) -> Tensor:
        """What the embedding layer gives, (n, dim) float32, before it is brought to unit length."""
        normal = ((pictures.float() - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        with torch.autocast(pictures.device.type, torch.bfloat16, enabled=self.dtype is torch.bfloat16):
            maps = self.features(normal)
        found: Tensor = self.embed(pooled(maps.float(), self.pooling))
        return found

    def tensors(self) -> dict[str, Tensor]:
        """The weights as they ship: names of torchvision without the classifier, and `embed.`."""
        state = {**self.features.state_dict(), **self.embed.state_dict(prefix="embed.")}
        return {name: value.detach().cpu().contiguous() for name, value in state.items()}


def arithmetic(wanted: str, device: torch.device) -> torch.dtype:
    """The type that features are trained in, for `model.precision`: bf16 by itself where the machine is made for it.

    Raises:
        BadSettings: fp16 is wanted, whose gradients vanish.
    """
    if wanted == "fp16":
        raise BadSettings("model.precision: training knows auto, bf16 and fp32; fp16 is for embedding alone")
    if wanted != "auto":
        return DTYPES[wanted]
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = reduced_precision(device) == "bf16"
    return torch.bfloat16 if fast else torch.float32


def pooled(maps: Tensor, pooling: str) -> Tensor:
    """(n, channels) of (n, channels, height, width): the mean, or for "gem" the generalised mean of power 3."""
    if pooling == "gem":
        return maps.clamp(min=1e-6).pow(_GEM_POWER).mean((2, 3)).pow(1 / _GEM_POWER)
    return maps.mean((2, 3))


def _features(backbone: str) -> nn.Sequential:
    """The layers before pooling, with the names that torchvision gives them."""
    options: dict[str, Any] = {"init_weights": False} if backbone in ("vgg16", "inception_v3") else {}
    model = torchvision.models.get_model(backbone, weights=None, **options)
    return nn.Sequential(OrderedDict((name, part) for name, part in model.named_children() if name not in _CLASSIFIERS))
