import pytest
import torch

from vitrine.rendering import sample_pictures
from vitrine.settings import Model, Pictures
from vitrine.vision.engine import Engine, EngineRequest, load
from vitrine.vision.weights import resolve


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Torch computes as in a job: one thread a process."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def bundled() -> Engine:
    """The engine of the bundled weights, four pictures a batch; built once for the whole run."""
    model = Model(batch_size=4)
    return load(EngineRequest(resolve(model).spec, model, Pictures(), None))


@pytest.fixture(scope="session")
def pictures() -> list[bytes]:
    """Forty different JPEG pictures."""
    return sample_pictures(40)
