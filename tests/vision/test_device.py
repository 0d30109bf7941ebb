import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from vitrine.embedding import Vectors
from vitrine.errors import BadInput
from vitrine.rendering import draw, jpeg, look, png, webp
from vitrine.settings import Model, Pictures
from vitrine.vision.backbone import Network
from vitrine.vision.decode import fit, fit_many
from vitrine.vision.device import Cpu, Cuda, Device, Recorded
from vitrine.vision.engine import Engine, EngineRequest
from vitrine.vision.passes import Passes
from vitrine.vision.weights import resolve

EXACT = Model(batch_size=4, precision="fp32")


def engine(model: Model, device: Device | None = None) -> Engine:
    weights = resolve(model)
    return Engine(weights, EngineRequest(weights.spec, model, Pictures(), None, threads=3), device)


@pytest.fixture(scope="module")
def plain() -> Engine:
    return engine(EXACT)


@pytest.fixture(scope="module", params=["like_gpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def resizing(request: pytest.FixtureRequest) -> Engine:
    """The same engine on a device that resizes: a CPU that works as a GPU does, and a GPU."""
    like_gpu: Cpu = request.getfixturevalue("cpu_like_gpu")
    return engine(EXACT, like_gpu if request.param == "like_gpu" else Cuda(torch.device("cuda")))


def vectors(embedder: Engine, images: Sequence[bytes]) -> Vectors:
    batches = list(embedder.embed(enumerate(images)))
    assert [key for batch in batches for key in batch.keys] == list(range(len(images)))
    assert not any(reject for batch in batches for reject in batch.rejects)
    return np.concatenate([batch.vectors for batch in batches])


def assert_same(ones: Vectors, others: Vectors) -> None:
    """Cosine >= .9999, and after centring each is nearest to its own."""
    assert (ones * others).sum(1).min() >= 0.9999
    centred = [found - others.mean(0) for found in (ones, others)]
    ones, others = (found / np.linalg.norm(found, axis=1, keepdims=True) for found in centred)
    assert (ones @ others.T).argmax(1).tolist() == list(range(len(ones)))


def test_pictures_of_all_sizes_have_the_same_vectors_where_the_device_resizes(plain: Engine, resizing: Engine) -> None:
    """Grey ones, tiny ones, threads, and some too large for a share of a buffer."""
    drawn = [draw(look(number), view=number % 4, size=40 + 37 * number) for number in range(22)]
    odd = [(1, 90), (300, 2), (700, 60), (5, 5)]
    images = [
        *((jpeg, png, webp)[number % 3](picture) for number, picture in enumerate(drawn)),
        *(png(picture.resize(size)) for picture, size in zip(drawn[3:], odd, strict=False)),
        jpeg(drawn[9].convert("L")),
        png(drawn[11].convert("L")),
    ]
    assert_same(vectors(resizing, images), vectors(plain, images))


def test_a_hundred_photos_have_the_same_vectors_where_the_device_resizes(
    plain: Engine, resizing: Engine, shared_data: Path
) -> None:
    with pq.ParquetFile(shared_data / "clothing" / "catalog.parquet") as file:
        photos = list(dict.fromkeys(file.read_row_group(0, columns=["image"])["image"].to_pylist()))[:100]
    assert_same(vectors(resizing, photos), vectors(plain, photos))


def test_an_engine_says_where_it_computes_and_how(plain: Engine) -> None:
    assert (plain.device, plain.precision) == ("cpu", "fp32")


@pytest.fixture(scope="module")
def gpu() -> Iterator[Cuda]:
    """The GPU, with all of its memory again at the end."""
    yield Cuda(torch.device("cuda"))
    torch.cuda.set_per_process_memory_fraction(1.0)


def some_squares(n: int) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(n))


@pytest.mark.gpu
def test_a_gpu_records_the_network_and_gives_what_launching_it_gives(
    gpu: Cuda, caplog: pytest.LogCaptureFixture
) -> None:
    weights = resolve(Model())
    network = Network(weights.spec, weights.tensors, torch.float16).eval().to(gpu.where)
    passes = Passes(network, gpu, 16)
    for n in (16, 5, 40):
        with gpu.at_work():
            there = gpu.upload(some_squares(n))
            found, wanted = gpu.download(passes(there)), gpu.download(network(there))
        assert found().shape == (n, weights.spec.dim)
        assert (found() * wanted()).sum(1).min() >= 0.9999
    assert isinstance(passes._pass, Recorded)
    assert caplog.records == []


@pytest.mark.gpu
def test_a_pinned_buffer_is_not_given_out_again_before_it_was_copied(gpu: Cuda) -> None:
    copies = []
    for number in range(100):
        buffer = gpu.buffer(4 << 20).fill_(number)
        assert buffer.is_pinned()
        with gpu.at_work():
            copies.append(gpu.upload(buffer))
        del buffer
    with gpu.at_work():
        ends = torch.stack([torch.stack([copy.min(), copy.max()]) for copy in copies])
        found = gpu.download(ends)
    assert found().tolist() == [[number, number] for number in range(100)]


@pytest.mark.gpu
@pytest.mark.parametrize("size", [96, 224])
@pytest.mark.parametrize(
    "shape", [(533, 400), (400, 533), (60, 80), (1, 1), (1, 9), (1, 2000), (4000, 40), (2300, 2300), (96, 96)]
)
def test_a_gpu_resizes_as_the_cpu_does(gpu: Cuda, shape: tuple[int, int], size: int) -> None:
    pictures = torch.randint(0, 256, (2, *shape, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pictures = pictures.permute(0, 3, 1, 2)
    with gpu.at_work():
        there = fit_many(pictures.to(gpu.where), size).cpu()
    assert there.shape == (2, 3, size, size)
    off = (there.short() - torch.stack([fit(picture, size) for picture in pictures]).short()).abs()
    assert off.max() <= 2
    assert (off > 0).float().mean() < 0.2


@pytest.mark.gpu
def test_reduced_precision_and_large_batches_keep_the_vectors(plain: Engine, pictures: list[bytes]) -> None:
    fast = engine(Model(precision="fp16"), Cuda(torch.device("cuda")))
    assert (vectors(fast, pictures) * vectors(plain, pictures)).sum(1).min() >= 0.999
    singles = np.concatenate([vectors(fast, [data]) for data in pictures[:8]])
    assert_same(singles, vectors(fast, pictures)[:8])


@pytest.mark.gpu
def test_a_batch_for_which_the_gpu_has_no_memory_is_halved(
    gpu: Cuda, pictures: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    model = Model(weights="random:0", image_size=224, precision="fp16", batch_size=4096)
    wanted = vectors(engine(model.model_copy(update={"batch_size": 8}), gpu), pictures[:12])
    torch.cuda.set_per_process_memory_fraction(0.05)
    found = vectors(engine(model, gpu), pictures[:12])
    assert (found * wanted).sum(1).min() >= 0.9999
    assert "batch_size=2048 from now on" in caplog.text


@pytest.mark.gpu
def test_work_for_which_the_gpu_has_no_memory_ends_in_one_line(gpu: Cuda) -> None:
    with pytest.raises(BadInput, match=r"cuda \(.*\) has too little free memory.*model\.device=cpu"), gpu.at_work():
        torch.empty(1 << 50, dtype=torch.uint8, device=gpu.where)


@pytest.mark.gpu
def test_two_engines_on_one_gpu_do_not_disturb_each_other(plain: Engine, pictures: list[bytes]) -> None:
    wanted = vectors(plain, pictures)
    found: list[Vectors] = []

    def work() -> None:
        found.append(vectors(engine(EXACT, Cuda(torch.device("cuda"))), pictures))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    for one in found:
        assert_same(one, wanted)
