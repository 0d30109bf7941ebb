"""Where weights come from: the package, torchvision's names, a file, or a seed."""

import hashlib
import io
import math
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from importlib import resources
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import safetensors
import safetensors.torch
import torch
import torchvision
from torch import Tensor

from vitrine.errors import BadInput, BadSettings
from vitrine.settings import Model
from vitrine.vision.backbone import (
    LEAST_SIZE,
    NATIVE_SIZE,
    POOLED_DIM,
    check_backbone,
    check_tensors,
    has_embedding,
    random_tensors,
)
from vitrine.vision.metadata import metadata
from vitrine.vision.spec import IMAGENET_MEAN, IMAGENET_STD, ModelSpec, Triple

_SEED_DIGITS = 18  # what torch takes
_CONNECT_S = 20.0
_INCEPTION = (0.5, 0.5, 0.5)  # what torchvision's inception_v3 turns ImageNet's normalisation into (transform_input)

BUNDLED = "resnet18_vitrine.safetensors"
BUNDLED_NOTICE = (
    "bundled weights: part of their training pictures come from ImageNet, whose terms are for research; "
    "read vitrine/vision/bundled/LICENSE.weights.md before you sell with them"
)


@dataclass(frozen=True, slots=True)
class Weights:
    """A model's spec and tensors; `notice` is what people must know of them, or empty."""

    spec: ModelSpec
    tensors: Mapping[str, Tensor]
    origin: str
    notice: str = ""

    @property
    def untrained(self) -> bool:
        """Whether they are numbers drawn by chance."""
        return self.origin.startswith("random:")


@dataclass(frozen=True, slots=True)
class _Source:
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]  # what the file says of itself
    origin: str
    notice: str = ""


def resolve(model: Model) -> Weights:
    """Find the weights that the settings name and settle the spec that follows from both.

    Raises:
        BadSettings: an unknown backbone or weights name, or a dimension the weights cannot give.
        BadInput: the file is missing, unreadable, has another sha256, or belongs to another backbone.
    """
    check_backbone(model.backbone)
    source = _source(model)
    spec = _spec(model, source)
    check_tensors(spec.backbone, source.tensors)
    return Weights(spec, source.tensors, source.origin, source.notice)


def _source(model: Model) -> _Source:
    kind, _, rest = model.weights.partition(":")
    if model.weights == "bundled":
        data = bundled_bytes()
        return _Source(safetensors.torch.load(data), metadata(data), "bundled", BUNDLED_NOTICE)
    if kind == "random":
        if not (rest.isascii() and rest.isdigit() and len(rest) <= _SEED_DIGITS):
            raise BadSettings(f"model.weights {model.weights!r}: write random:SEED with a whole number")
        notice = f"UNTRAINED weights (random:{rest}): neighbours mean nothing; for tests and benchmarks only"
        return _Source(random_tensors(model.backbone, int(rest)), {}, model.weights, notice)
    if model.weights.endswith((".safetensors", ".pth", ".pt")):
        return _from_file(Path(model.weights), model.weights_sha256)
    return _from_torchvision(model.backbone, model.weights)


def bundled_bytes() -> bytes:
    """The weights that ship with the package, readable from a zip too."""
    return resources.files("vitrine.vision").joinpath("bundled", BUNDLED).read_bytes()


def _from_file(path: Path, sha256: str | None) -> _Source:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read model.weights {path}: {error.strerror}") from error
    found = hashlib.sha256(data).hexdigest()
    if sha256 is not None and found != sha256:
        raise BadInput(f"model.weights {path} has sha256 {found}, not {sha256}: it is another file or was changed")
    try:
        if path.suffix == ".safetensors":
            facts = metadata(data)
            return _Source(safetensors.torch.load(data), facts, str(path), facts.get("notice", ""))
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # the loaders raise many types on hostile files
        said = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise BadInput(f"model.weights {path} is no weights file that can be loaded safely: {said}") from error
    return _Source(_tensors(state), _published_facts(path.name), str(path))


def _tensors(state: Any) -> dict[str, Tensor]:
    if isinstance(state, dict):
        state = state.get("state_dict", state)
    values = state.items() if isinstance(state, dict) else ()
    return {
        name: value.detach().contiguous()
        for name, value in values
        if isinstance(name, str) and isinstance(value, Tensor) and value.layout is torch.strided
    }


def _published_facts(file: str) -> dict[str, Any]:
    """What torchvision says of a file that it publishes under that name."""
    for backbone in POOLED_DIM:
        for weights in torchvision.models.get_model_weights(backbone):
            if weights.url.endswith(f"/{file}"):
                return {"backbone": backbone, **_transform_facts(backbone, weights)}
    return {}


def _transform_facts(backbone: str, weights: Any) -> dict[str, Any]:
    transforms = weights.transforms()
    facts = {"input_size": transforms.crop_size[0], "resize": transforms.resize_size[0]}
    if backbone != "inception_v3":
        facts |= {"mean": transforms.mean, "std": transforms.std}
    return facts


def _from_torchvision(backbone: str, name: str) -> _Source:
    try:
        weights = torchvision.models.get_model_weights(backbone)[name]
    except KeyError as error:
        known = ", ".join(w.name for w in torchvision.models.get_model_weights(backbone))
        raise BadSettings(
            f"model.weights {name!r} is unknown: bundled, random:SEED, a .safetensors or .pth file, or {known}"
        ) from error
    file = weights.url.rpartition("/")[2]
    try:
        with _connect_timeout():
            state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, HTTPException, RuntimeError, UnpicklingError) as error:
        raise BadInput(
            f"weights {name} of {backbone} cannot be downloaded here: fetch {file} elsewhere, keep its name, "
            f"and pass --model.weights {file}"
        ) from error
    return _Source(_tensors(state), _transform_facts(backbone, weights), name)


@contextmanager
def _connect_timeout() -> Iterator[None]:
    """Let no connection wait for ever, as torch's downloads do where a firewall swallows them."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_CONNECT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _spec(model: Model, source: _Source) -> ModelSpec:
    facts = source.facts
    if facts.get("backbone", model.backbone) != model.backbone:
        raise BadInput(
            f"weights of another shape: {source.origin} holds {facts['backbone']}, model.backbone is {model.backbone}: "
            "name weights of that backbone with --model.weights"
        )
    size, resize = _sizes(model, source)
    mean, std = _normalisation(model, source)
    head = "linear" if has_embedding(source.tensors) else "none"
    full = len(source.tensors["embed.0.weight"]) if head == "linear" else POOLED_DIM[model.backbone]
    dim = model.dim or full
    if dim > full:
        raise BadSettings(f"model.dim {dim} is more than the {full} that {source.origin} with {model.backbone} gives")
    return ModelSpec(
        backbone=model.backbone,
        weights_sha256=digest(source.tensors),
        image_size=size,
        resize=resize,
        mean=mean,
        std=std,
        pooling=facts.get("pooling", model.pooling),
        head=head,
        projection=None if dim == full else dim,
        dim=dim,
    )


def _sizes(model: Model, source: _Source) -> tuple[int, int]:
    native = source.facts.get("input_size", NATIVE_SIZE.get(model.backbone, 224))
    resize = source.facts.get("resize", native)
    if type(native) is not int or type(resize) is not int or not 32 <= native <= resize <= 2 * native <= 2048:
        raise BadInput(f"{source.origin} states an impossible input: {native} pixels cut out of {resize}")
    size = model.image_size or native
    if size < (least := LEAST_SIZE.get(model.backbone, 32)):
        raise BadSettings(f"model.image_size {size} is too small: {model.backbone} wants at least {least}")
    return size, round(size * resize / native)


def _normalisation(model: Model, source: _Source) -> tuple[Triple, Triple]:
    inception = model.backbone == "inception_v3"
    mean = source.facts.get("mean", _INCEPTION if inception else IMAGENET_MEAN)
    std = source.facts.get("std", _INCEPTION if inception else IMAGENET_STD)
    try:
        (a, b, c), (d, e, f) = (map(float, values) for values in (mean, std))
    except (TypeError, ValueError) as error:
        raise BadInput(f"{source.origin} states no mean and std of three colours") from error
    if not all(map(math.isfinite, (a, b, c))) or not all(0 < value < math.inf for value in (d, e, f)):
        raise BadInput(f"{source.origin} states an impossible mean or std: {mean}, {std}")
    return (a, b, c), (d, e, f)


def digest(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over names, types, shapes and bytes, whatever file format held them."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
