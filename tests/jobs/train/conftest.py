"""A small shop, and the training job as tests run it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from jobs.train import main
from vitrine.rendering import DemoCatalog, write_demo_catalog

Train = Callable[..., int]
SMALL = ("--model.weights=random:0", "--sizes=32", "--batch-size=16", "--labels=product_id", "--held-out=0.3")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads would wait for each other beside other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> DemoCatalog:
    """A hundred drawn products, six of them broken."""
    return write_demo_catalog(tmp_path_factory.mktemp("shop"), products=100, broken=6)


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One work directory for all, so that pictures are decoded once."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture
def train(shop: DemoCatalog, packs: Path, request: pytest.FixtureRequest) -> Train:
    """`train("--steps=3")` runs the job on the drawn shop in a small way, under the test's own name."""

    def run(*flags: str) -> int:
        return main(arguments(shop, packs, request.node.name.partition("[")[0][:60], *flags))

    return run


def arguments(shop: DemoCatalog, work: Path, run: str, *flags: str) -> list[str]:
    given = [f"--catalog={shop.path}", f"--work={work}", f"--run={run}", *SMALL]
    named = {flag.partition("=")[0] for flag in flags}
    return [*(flag for flag in given if flag.partition("=")[0] not in named), *flags]


def report(work: Path, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((work / "training" / run / "report" / "metrics.json").read_text())
    return found
