"""Settings of the network."""

from typing import Literal

from pydantic import Field

from vitrine.settings.section import Section

Precision = Literal["auto", "fp32", "bf16", "fp16"]
"""Arithmetic of a network; `auto` is a choice of the fastest that keeps the neighbours."""


class Model(Section):
    """The network that turns pictures into vectors."""

    backbone: str = "resnet18"
    """resnet18, resnet34, resnet50, resnet101, resnet152, vgg16 or inception_v3."""
    weights: str = "bundled"
    """`bundled`, a torchvision name (IMAGENET1K_V2), a .safetensors or .pth file, or `random:SEED` (untrained)."""
    weights_sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    """Expected sha256 of the weights file; another file is refused."""
    image_size: int | None = Field(default=None, ge=32, le=1024)
    """Side of the square the network sees, in pixels; by default what the weights were made for."""
    pooling: Literal["average", "gem"] = "average"
    """How the last feature map becomes one vector, where the weights do not say."""
    dim: int | None = Field(default=None, ge=2, le=32768)
    """Dimension of the vectors; by default what the weights give; less is a fixed orthogonal projection."""
    precision: Precision = "auto"
    """Arithmetic of the network; `auto` takes bf16 or fp16 only where a check against fp32 passes."""
    batch_size: int | None = Field(default=None, ge=1, le=4096)
    """Pictures per forward pass; by default 32 on a CPU and 256 on a GPU, which halves it where memory runs out."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d{1,3})?)$")
    """`cpu`, `cuda`, `cuda:N`, or `auto`: the GPU that Spark assigned, else a visible one, else the CPU."""
    change: bool = False
    """Let the alias move from a collection of another model; its clients must be ready for the new one."""
    store: str | None = None
    """Model store: directory or URI, shared between driver and executors; by default WORK/models."""
