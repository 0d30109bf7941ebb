from dataclasses import dataclass

import pytest
import torch

from vitrine.rendering import sample_pictures
from vitrine.settings import Model, Pictures
from vitrine.vision.backbone import Network
from vitrine.vision.device import Cpu, OneShape, Pass
from vitrine.vision.engine import Engine, EngineRequest, load
from vitrine.vision.weights import resolve

BATCH = 4


@dataclass(frozen=True)
class LikeGpu(Cpu):
    """Resizes, gives the network batches of one shape, and is a batch ahead of what is waited for."""

    load_bytes: int = 1 << 20
    resizes: bool = True
    ahead: int = 1

    def prepared(self, network: Network, batch_size: int) -> Pass:
        return OneShape(network, batch_size, self.where)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Torch computes as in a job: one thread a process."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def bundled() -> Engine:
    """The engine of the bundled weights, four pictures a batch; built once for the whole run."""
    model = Model(batch_size=BATCH)
    return load(EngineRequest(resolve(model).spec, model, Pictures(), None))


@pytest.fixture(scope="session")
def cpu_like_gpu() -> Cpu:
    """A CPU that works as a GPU does."""
    return LikeGpu()


@pytest.fixture(scope="session")
def like_gpu(cpu_like_gpu: Cpu) -> Engine:
    """`bundled`, on a CPU that works as a GPU does."""
    model = Model(batch_size=BATCH)
    weights = resolve(model)
    return Engine(weights, EngineRequest(weights.spec, model, Pictures(), None, threads=3), cpu_like_gpu)


@pytest.fixture(scope="session")
def on_gpu() -> Engine:
    """`bundled`, on the GPU."""
    model = Model(batch_size=BATCH)
    return load(EngineRequest(resolve(model).spec, model, Pictures(), None, device="cuda", threads=3))


@pytest.fixture(scope="session")
def pictures() -> list[bytes]:
    """Forty different JPEG pictures."""
    return sample_pictures(40)
