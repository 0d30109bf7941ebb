from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vitrine.rendering import draw, jpeg, look
from vitrine.settings import Model, Pictures
from vitrine.vision.decode import decode
from vitrine.vision.training.loop import Trainer
from vitrine.vision.training.network import TrainedNetwork
from vitrine.vision.training.pack import Kind, Pack, Row, read, write
from vitrine.vision.training.task import Course, Task
from vitrine.vision.training.together import Group
from vitrine.vision.training.views import Look
from vitrine.vision.weights import Weights, resolve

ALONE = Group(0, 1, torch.device("cpu"))


def drawn_rows(products: int = 40, views: int = 2, size: int = 48) -> list[Row]:
    """Pictures of drawn products, of which every fifth is held out; labelled with category and colour."""
    return [
        Row(f"p{n:02}", jpeg(draw(look(n), view=view, size=size)), n % 5 == 4, labels_of(n))
        for n in range(products)
        for view in range(views)
    ]


def labels_of(number: int) -> tuple[str, str]:
    """Department and colour of a drawn product."""
    one = look(number)
    return one.shape.category.partition("/")[0], one.colour.name


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """Eighty packshots of forty drawn products, 48 px."""
    place = tmp_path_factory.mktemp("packs") / "drawn"
    write(place, drawn_rows(), Kind(48, True, ("category", "colour")), lambda data: decode(data, Pictures()))
    return read(place, "drawn")


@pytest.fixture
def labelled() -> Callable[..., Pack]:
    """`labelled([0, 0, 1], held_out=[2])` is a pack of grey pictures with those classes, each its own product."""

    def make(classes: list[int], held_out: tuple[int, ...] = (), **columns: list[int]) -> Pack:
        n = len(classes)
        held = np.isin(np.arange(n), held_out)
        numbers = {name: np.array(values, np.int64) for name, values in {"kind": classes, **columns}.items()}
        names = {name: [f"{name}{i}" for i in range(max(values) + 1)] for name, values in numbers.items()}
        pictures = np.full((n, 32, 32, 4), 128, np.uint8)
        boxes = np.tile(np.array([0, 0, 32, 32], np.int16), (n, 1))
        return Pack("grey", pictures, boxes, np.arange(n), held, numbers, names, {})

    return make


@pytest.fixture(scope="session")
def untrained() -> Weights:
    """ResNet-18 from random weights, for 32 px and 8 dimensions."""
    found = resolve(Model(weights="random:0", image_size=32))
    return replace(found, spec=replace(found.spec, head="linear", dim=8))


@pytest.fixture
def make_trainer(pack: Pack, untrained: Weights) -> Callable[..., Trainer]:
    """`make_trainer(steps=4)` is a trainer of a small network on the drawn products, always the same."""

    def make(*, steps: int = 4, loaders: int = 0, group: Group = ALONE, **changes: Any) -> Trainer:
        whole: dict[str, Any] = {
            "pack": pack, "share": 1.0, "look": Look(), "packshots": True, "backdrops": False, "per_class": 2,
            "objectives": {"category": ("softmax", 1.0), "colour": ("multi-similarity", 0.5)}, "same": 0.3,
        }  # fmt: skip
        course = Course(steps, changes.pop("batch", 8), 0.05, [(0.5, 32), (1, 40)], 0.9, changes.pop("seed", 0))
        torch.manual_seed(course.seed)
        network = TrainedNetwork(untrained, torch.float32)
        return Trainer(network, [Task(**{**whole, **changes})], course, group, loaders=loaders)

    return make


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a pack may be written."""
    return tmp_path / "packs" / "one"
