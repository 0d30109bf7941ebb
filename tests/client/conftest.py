"""A shop small enough to see by eye, on every database."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitrine.client import Client
from vitrine.embedding import Batch, Vectors
from vitrine.errors import BadInput
from vitrine.index import collections, schema
from vitrine.index.calibration import Calibration
from vitrine.index.collections import Collection, Facts
from vitrine.index.rows import row
from vitrine.index.store import Store, connect
from vitrine.product import Product, Reason, Reject, split_image_id
from vitrine.settings import Milvus
from vitrine.testing import MemoryStore


def toward(*degrees: float) -> Vectors:
    """Unit vectors of two dimensions, (2,) for one angle and (n, 2) for more."""
    radians = np.radians(degrees)
    vectors = np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)
    return vectors[0] if len(degrees) == 1 else vectors


@dataclass
class Protractor:
    """An embedder of pictures that are angles, `b"30"`, for a model of two dimensions."""

    model_id: str = "m1"
    dim: int = 2
    forward_passes: int = 0
    runs_on: str = "paper"
    seen: list[bytes] = field(default_factory=list)

    def embed(self, pictures: Iterable[tuple[Any, bytes]]) -> Iterator[Batch[Any]]:
        for key, data in pictures:
            self.seen.append(data)
            try:
                yield Batch((key,), (None,), toward(float(data))[np.newaxis])
            except ValueError:
                yield Batch((key,), (Reject(Reason.CORRUPT, "not an angle"),), np.empty((0, 2), np.float32))


@dataclass
class Shop:
    """Collections behind the alias `shop`."""

    store: Store
    embedders: dict[str, Any] = field(default_factory=lambda: {"m1": Protractor()})

    def serve(
        self,
        pictures: Mapping[str, float | tuple[float, Mapping[str, Any]]],
        run: str = "r1",
        *,
        model_id: str = "m1",
        calibration: Calibration | None = None,
    ) -> Collection:
        """Serve pictures, `{"bag/0": 30}` or `{"bag/0": (30, {"title": "Bag"})}`, each at its angle."""
        facts = Facts("shop", run, model_id, 2, "2026-11-20T00:00:00+00:00", calibration=calibration)
        made = collections.create(self.store, facts)
        rows = []
        for image_id, told in pictures.items():
            angle, said = told if isinstance(told, tuple) else (told, {})
            product_id, position = split_image_id(image_id)
            sha256 = said.get("sha256", "")
            product = Product(product_id, **{name: value for name, value in said.items() if name != "sha256"})
            built, _ = row(product, position, sha256=sha256, uri="", event_us=0, indexed_us=0)
            rows.append({**built, schema.VECTOR: toward(angle)})
        self.store.insert(made.name, rows)
        self.store.prepare(made.name)
        collections.swap(self.store, "shop", made.name)
        return made

    def client(self, make: Callable[[str], Any] | None = None, **options: Any) -> Client:
        """A client whose models `make` gives; without it one that has no embedder is found nowhere."""

        def embedder(model_id: str) -> Any:
            if model_id not in self.embedders:
                raise BadInput(f"model {model_id} is not in the bundled models")
            return self.embedders[model_id]

        return Client(self.store, "shop", make or embedder, **options)


@pytest.fixture
def shop() -> Shop:
    """A shop in memory, without products."""
    return Shop(MemoryStore())


@pytest.fixture(params=["memory", "lite", "server"])
def any_shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """A shop on the fake, on Milvus Lite and on a real server."""
    if request.param == "memory":
        yield Shop(MemoryStore())
        return
    lite = request.param == "lite"
    settings = Milvus(uri=str(tmp_path / "shop.db")) if lite else request.getfixturevalue("on_server")
    with connect(settings) as store:
        yield Shop(store)


@pytest.fixture
def angle() -> Callable[..., Vectors]:
    """`angle(30)` is the unit vector of 30 degrees."""
    return toward
