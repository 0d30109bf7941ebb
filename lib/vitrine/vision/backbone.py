"""Networks: from normalised pictures to unit vectors, built from a spec and tensors."""

import math
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torchvision
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

from vitrine.errors import BadInput, BadSettings
from vitrine.vision.spec import ModelSpec

POOLED_DIM = {
    "resnet18": 512,
    "resnet34": 512,
    "resnet50": 2048,
    "resnet101": 2048,
    "resnet152": 2048,
    "vgg16": 512,
    "inception_v3": 2048,
}
NATIVE_SIZE = {"inception_v3": 299}
LEAST_SIZE = {"inception_v3": 75}

_CUDNN = threading.RLock()
_CLASSIFIERS = ("fc.", "classifier.", "AuxLogits.")
_COUNTER = "num_batches_tracked"
_EMBEDDING = "embed.0.weight"
_EMBEDDING_NORM = ("embed.1.weight", "embed.1.bias", "embed.1.running_mean", "embed.1.running_var")
_GEM_POWER = 3.0  # Radenovic, Tolias, Chum 2018 (arXiv 1711.02512), table 2


def check_backbone(name: str) -> str:
    """Return `name` if it is a backbone that Vitrine knows.

    Raises:
        BadSettings: it is not; the text lists those that are.
    """
    if name not in POOLED_DIM:
        raise BadSettings(f"model.backbone {name!r} is unknown: choose one of {', '.join(POOLED_DIM)}")
    return name


def random_tensors(backbone: str, seed: int) -> dict[str, Tensor]:
    """State of an untrained backbone, the same for the same seed.

    Convolutions are drawn as torchvision draws those of ResNet (He et al. 2015, arXiv 1502.01852, fan out).
    """
    dice = torch.Generator().manual_seed(seed)
    state = {}
    for name, empty in _wanted(_empty(backbone)).items():
        if empty.ndim == 4:
            fan_out = empty.shape[0] * empty.shape[2] * empty.shape[3]
            state[name] = torch.randn(empty.shape, generator=dice).mul_(math.sqrt(2 / fan_out))
        else:
            state[name] = torch.full(empty.shape, name.endswith(("weight", "var")), dtype=empty.dtype)
    return state


class Network(nn.Module):
    """(n, 3, size, size) uint8 pictures in, (n, dim) float32 unit vectors out.

    Batch normalisation is folded into the convolutions; features are computed in `dtype`, everything else in float32.
    """

    weight: Tensor
    bias: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self, spec: ModelSpec, tensors: Mapping[str, Tensor], dtype: torch.dtype) -> None:
        super().__init__()
        self.spec = spec
        self.dtype = dtype
        features = fuse(_features(spec.backbone, tensors).eval())
        self.features = features.to(dtype).to(memory_format=torch.channels_last)
        weight, bias = _head(spec, tensors)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        scale = torch.tensor(spec.std).mul(255.0).reciprocal()
        self.register_buffer("scale", scale.view(3, 1, 1))
        self.register_buffer("shift", (torch.tensor(spec.mean) / torch.tensor(spec.std)).view(3, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        normal = pictures.to(torch.float32).mul_(self.scale).sub_(self.shift)
        normal = normal.to(self.dtype).contiguous(memory_format=torch.channels_last)
        pooled = _pool(self.features(normal).float(), self.spec.pooling)  # (n, pooled)
        vectors = nn.functional.linear(pooled, self.weight, self.bias)  # (n, dim)
        return nn.functional.normalize(vectors, dim=1)


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """A block in which cuDNN picks the fastest algorithm for each shape it meets, and fp32 is not TF32.

    Both are switches of the whole process: threads take turns.
    """
    with _CUDNN, torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
        yield


def _pool(maps: Tensor, pooling: str) -> Tensor:
    if pooling == "gem":
        return maps.clamp(min=1e-6).pow(_GEM_POWER).mean((2, 3)).pow(1 / _GEM_POWER)
    return maps.mean((2, 3))


def _features(backbone: str, tensors: Mapping[str, Tensor]) -> nn.Module:
    model = _empty(backbone)
    counter = torch.zeros((), dtype=torch.int64)
    given = {name: counter if name.endswith(_COUNTER) else tensors[name].float() for name in _wanted(model)}
    model.load_state_dict(given, strict=False, assign=True)
    return _without_classifier(model, backbone)


def _empty(backbone: str) -> Any:
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options: dict[str, Any] = {"init_weights": False} if backbone in ("vgg16", "inception_v3") else {}
        return torchvision.models.get_model(backbone, weights=None, **options)


def _wanted(model: Any) -> dict[str, Tensor]:
    return {name: empty for name, empty in model.state_dict().items() if not name.startswith(_CLASSIFIERS)}


def check_tensors(backbone: str, tensors: Mapping[str, Tensor]) -> None:
    """Check that a network of that backbone can be built from the tensors.

    Raises:
        BadInput: one is missing, has another shape or holds values that are not finite; the text names it.
    """
    wanted = {name: tuple(empty.shape) for name, empty in _wanted(_empty(backbone)).items()}
    if has_embedding(tensors):
        dim = tensors[_EMBEDDING].shape[0]
        wanted |= {_EMBEDDING: (dim, POOLED_DIM[backbone]), **dict.fromkeys(_EMBEDDING_NORM, (dim,))}
    for name, shape in wanted.items():
        if not name.endswith(_COUNTER):
            _check_tensor(tensors.get(name), name, shape, backbone)


def _check_tensor(tensor: Tensor | None, name: str, shape: tuple[int, ...], backbone: str) -> None:
    cure = "check model.backbone and model.weights"
    if tensor is None:
        raise BadInput(f"the weights have no tensor {name} of {backbone}: {cure}")
    if tuple(tensor.shape) != shape:
        raise BadInput(f"weights of another shape: {name} is {tuple(tensor.shape)}, {backbone} wants {shape}: {cure}")
    if not tensor.is_floating_point() or not tensor.float().sum().isfinite():
        raise BadInput(f"the tensor {name} of the weights holds other things than finite numbers: {cure}")


def _without_classifier(model: Any, backbone: str) -> nn.Module:
    if backbone == "vgg16":
        features: nn.Module = model.features
        return features
    skipped = ("avgpool", "fc", "dropout", "AuxLogits")
    return nn.Sequential(*(child for name, child in model.named_children() if name not in skipped))


def _head(spec: ModelSpec, tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    pooled = POOLED_DIM[spec.backbone]
    weight, bias = torch.eye(pooled), torch.zeros(pooled)
    if spec.head == "linear":
        weight, bias = _folded_embedding(tensors)
    if spec.projection is not None:
        basis = orthogonal(spec.projection, len(weight))
        weight, bias = basis @ weight, basis @ bias
    return weight, bias


def _folded_embedding(tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    scale, shift, mean, variance = (tensors[name].float() for name in _EMBEDDING_NORM)
    gain = scale / torch.sqrt(variance + nn.BatchNorm1d(1).eps)
    return tensors[_EMBEDDING].float() * gain[:, None], shift - mean * gain


def has_embedding(tensors: Mapping[str, Tensor]) -> bool:
    """Whether the weights hold an embedding layer: `embed.0` without bias, `embed.1` a batch normalisation.

    Raises:
        BadInput: they hold another kind of embedding layer.
    """
    found = {name for name in tensors if name.startswith("embed.") and not name.endswith(_COUNTER)}
    if found and (found != {_EMBEDDING, *_EMBEDDING_NORM} or tensors[_EMBEDDING].ndim != 2):
        raise BadInput(
            f"the weights hold an embedding layer of another kind ({', '.join(sorted(found))}): "
            "embed.0 must be a linear layer without bias, embed.1 its batch normalisation"
        )
    return bool(found)


def orthogonal(rows: int, columns: int) -> Tensor:
    """(rows, columns) matrix with orthonormal rows, the same for the same shape.

    A random projection keeps neighbours: ResNet-50 at a fifth of its dimension kept .970 of .983 mAP (Towhee).
    """
    gaussian = np.random.default_rng(0).standard_normal((columns, rows))
    return torch.from_numpy(np.linalg.qr(gaussian)[0].T.astype(np.float32))
