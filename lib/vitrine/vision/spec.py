"""What a model is, as far as its vectors depend on it, and the id that follows from that."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

Triple = tuple[float, float, float]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Everything that decides a vector: two equal specs give equal vectors on any machine.

    Precision, device and batch size are not part of it, nor is where the weights came from.
    """

    backbone: str
    weights_sha256: str  # of the tensors' names, types, shapes and bytes, whatever file holds them
    image_size: int  # side of the square the network sees, in pixels
    resize: int  # the picture's shorter side before the central square is cut, in pixels
    mean: Triple
    std: Triple
    pooling: str  # "average" or "gem"
    head: str  # "linear" where the weights hold an embedding layer, else "none"
    projection: int | None  # dimension of the fixed orthogonal projection, None without one
    dim: int

    @property
    def model_id(self) -> str:
        """Twelve hex digits that name these vectors."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "ModelSpec":
        """Inverse of `to_json`, from the parsed object."""
        triples = {name: tuple(values[name]) for name in ("mean", "std")}
        return ModelSpec(**{**values, **triples})
