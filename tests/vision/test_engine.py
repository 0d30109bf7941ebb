import gc
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from itertools import count, islice

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vitrine.embedding import Batch, Embedder, Vectors
from vitrine.errors import BadInput
from vitrine.product import Reason
from vitrine.rendering import draw, gif, look, png, sample_pictures, webp
from vitrine.settings import Model, Pictures
from vitrine.testing import FakeEmbedder
from vitrine.vision import engine as engine_module
from vitrine.vision import model_store
from vitrine.vision.backbone import random_tensors
from vitrine.vision.decode import decode
from vitrine.vision.device import Cpu, Device
from vitrine.vision.engine import Engine, EngineRequest, device_of, engine_of, load
from vitrine.vision.weights import Weights, resolve

BATCH = 4
BROKEN = {Reason.MISSING: b"", Reason.UNSUPPORTED_FORMAT: b"%PDF-1.7", Reason.TRUNCATED: b"\xff\xd8\xff\xe0"}
SHORT_WAIT_S = 0.3
SMALL = Model(weights="random:0", image_size=32, precision="fp32", batch_size=BATCH)


class Broken(Exception):
    """An error of the input."""


@pytest.fixture(params=["bundled", "like_gpu", pytest.param("on_gpu", marks=pytest.mark.gpu), "fake"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    """Every test of the contract runs on the bundled model, wherever it may run, and on the fake."""
    if request.param == "fake":
        return FakeEmbedder(batch_size=BATCH)
    engine: Embedder = request.getfixturevalue(request.param)
    return engine


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    left = [
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith(("vitrine-decode", "vitrine-prefetch"))
    ]
    assert left == []


def by_key(batches: Iterator[Batch[int]]) -> dict[int, Vectors | Reason]:
    """What became of each key, in the order in which they came; each may come once."""
    found: dict[int, Vectors | Reason] = {}
    for batch in batches:
        vectors = iter(batch.vectors)
        for key, reject in zip(batch.keys, batch.rejects, strict=True):
            assert key not in found
            found[key] = next(vectors) if reject is None else reject.reason
        assert next(vectors, None) is None
    return found


def alone(embedder: Embedder, data: bytes) -> Vectors:
    (batch,) = embedder.embed([("one", data)])
    return batch.vectors[0]


def test_every_key_comes_out_once_and_in_order(embedder: Embedder, pictures: list[bytes]) -> None:
    batches = list(embedder.embed(enumerate(pictures[:10])))
    assert [len(batch.keys) for batch in batches] == [4, 4, 2]
    assert [key for batch in batches for key in batch.keys] == list(range(10))


def test_vectors_are_unit_rows_of_the_dimension(embedder: Embedder, pictures: list[bytes]) -> None:
    for batch in embedder.embed(enumerate(pictures[:6])):
        assert batch.vectors.shape == (len(batch.keys), embedder.dim)
        assert batch.vectors.dtype == np.float32
        assert np.allclose(np.linalg.norm(batch.vectors, axis=1), 1, atol=1e-5)


def test_without_pictures_there_are_no_batches_and_no_passes(embedder: Embedder) -> None:
    before = embedder.forward_passes
    assert list(embedder.embed([])) == []
    assert embedder.forward_passes == before


def test_pictures_that_are_all_rejects_cost_no_pass(embedder: Embedder) -> None:
    before = embedder.forward_passes
    assert list(by_key(embedder.embed(enumerate(BROKEN.values()))).values()) == list(BROKEN)
    assert embedder.forward_passes == before


def test_a_pass_is_counted_for_each_batch(embedder: Embedder, pictures: list[bytes]) -> None:
    before = embedder.forward_passes
    list(embedder.embed(enumerate(pictures[:9])))
    assert embedder.forward_passes == before + 3


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 7) | st.sampled_from(list(BROKEN)), max_size=14))
def test_rejects_stand_between_vectors_in_their_places(
    embedder: Embedder, pictures: list[bytes], row: list[int | Reason]
) -> None:
    data = [BROKEN[one] if isinstance(one, Reason) else pictures[one] for one in row]
    found = by_key(embedder.embed(enumerate(data)))
    assert list(found) == list(range(len(row)))
    for key, wanted in enumerate(row):
        outcome = found[key]
        if isinstance(wanted, Reason):
            assert outcome == wanted
        else:
            assert float(np.dot(outcome, alone(embedder, pictures[wanted]))) >= 0.9999  # type: ignore[arg-type]


def test_a_flood_of_rejects_comes_out_in_batches(embedder: Embedder) -> None:
    batches = islice(embedder.embed((number, b"") for number in count()), 2)
    assert {len(batch.keys) for batch in batches} == {8 * BATCH}


def test_nothing_is_read_before_a_batch_is_asked_for(embedder: Embedder) -> None:
    def unread() -> Iterator[tuple[int, bytes]]:
        raise Broken
        yield 0, b""

    embedder.embed(unread())


def test_an_error_of_the_input_surfaces(embedder: Embedder, pictures: list[bytes]) -> None:
    error = Broken()

    def failing() -> Iterator[tuple[int, bytes]]:
        yield from enumerate(pictures[:6])
        raise error

    with pytest.raises(Broken) as raised:
        list(embedder.embed(failing()))
    assert raised.value is error


@pytest.mark.parametrize("leave", ["close", "drop"])
def test_leaving_early_ends_the_threads_and_closes_the_input(
    embedder: Embedder, pictures: list[bytes], leave: str
) -> None:
    closed = threading.Event()

    def endless() -> Generator[tuple[int, bytes], None, None]:
        try:
            yield from ((number, pictures[number % 8]) for number in count())
        finally:
            closed.set()

    batches = embedder.embed(endless())
    next(batches)
    if leave == "close":
        batches.close()  # type: ignore[attr-defined]
    del batches
    gc.collect()
    assert closed.is_set()


@pytest.mark.parametrize("kind", ["engine", "fake"])
def test_a_slow_consumer_holds_the_reader(kind: str, pictures: list[bytes]) -> None:
    embedder = FakeEmbedder(batch_size=BATCH) if kind == "fake" else built(SMALL, device=Cpu(load_bytes=100_000))
    decoded_bytes = min(decode(data, Pictures()).numel() for data in pictures[:8])
    most = 4 * 100_000 // decoded_bytes + 9 * BATCH
    beyond = threading.Event()

    def endless() -> Iterator[tuple[int, bytes]]:
        for number in count():
            if number > most:
                beyond.set()
            yield number, pictures[number % 8]

    batches = embedder.embed(endless())
    next(batches)
    assert not beyond.wait(SHORT_WAIT_S)


@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_the_same_bytes_give_the_same_vector_whatever_surrounds_them(
    bundled: Engine, pictures: list[bytes], precision: str
) -> None:
    """Cosine >= .9999, and nearest, after centring, to its own single call."""
    embedder = bundled
    if precision != bundled.precision and precision == "fp32":
        embedder = built(Model(precision="fp32", batch_size=7))
    singles = np.stack([alone(embedder, data) for data in pictures])
    mixed = [data for picture in pictures for data in (picture, BROKEN[Reason.MISSING])][:-1]
    found = [
        outcome for outcome in by_key(embedder.embed(enumerate(mixed))).values() if isinstance(outcome, np.ndarray)
    ]
    together = np.stack(found)
    assert (singles * together).sum(1).min() >= 0.9999
    scores = centred(together, singles) @ centred(singles, singles).T
    assert scores.argmax(1).tolist() == list(range(len(pictures)))


def centred(vectors: Vectors, around: Vectors) -> NDArray[np.float32]:
    moved = vectors - around.mean(0)
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def built(
    model: Model, pictures: Pictures | None = None, weights: Weights | None = None, device: Device | None = None
) -> Engine:
    weights = weights or resolve(model)
    return Engine(weights, EngineRequest(weights.spec, model, pictures or Pictures(), None), device)


@pytest.mark.parametrize("encode", [png, webp, gif])
def test_all_formats_go_the_same_way(bundled: Engine, encode: Callable[..., bytes]) -> None:
    picture = draw(look(3))
    same = float(alone(bundled, encode(picture)) @ alone(bundled, png(picture)))
    assert same > (0.9 if encode is gif else 0.98)


def test_an_engine_can_be_shared_by_threads(bundled: Engine, pictures: list[bytes]) -> None:
    before = bundled.forward_passes
    wanted = by_key(bundled.embed(enumerate(pictures[:12])))
    found: list[dict[int, Vectors | Reason]] = []
    threads = [
        threading.Thread(target=lambda: found.append(by_key(bundled.embed(enumerate(pictures[:12]))))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert all(np.array_equal(one[key], wanted[key]) for one in found for key in wanted)
    assert bundled.forward_passes == before + 4 * 3


def test_the_limits_of_the_settings_hold(pictures: list[bytes]) -> None:
    engine = built(Model(), Pictures(max_pixels=1_000))
    assert by_key(engine.embed([(0, pictures[0])])) == {0: Reason.TOO_MANY_PIXELS}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.integers(0, 3), place=st.floats(0, 0.999), value=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_picture_is_a_vector_or_a_reject_and_never_an_error(
    bundled: Engine, kind: int, place: float, value: int, cut: bool
) -> None:
    data = bytearray((sample_pictures(1)[0], png(draw(look(0))), gif(draw(look(0))), webp(draw(look(0))))[kind])
    data[int(place * len(data))] = value
    damaged = bytes(data[: int(place * len(data))] if cut else data)
    (outcome,) = by_key(bundled.embed([(0, damaged)])).values()
    assert isinstance(outcome, np.ndarray | Reason)


def test_a_picture_without_direction_is_a_reject_and_no_zero_vector(pictures: list[bytes]) -> None:
    tensors = random_tensors("resnet18", 0)
    dead = ("layer4.0.bn2", "layer4.0.downsample.1", "layer4.1.bn2")
    blind = {name: torch.zeros_like(t) if name.startswith(dead) else t for name, t in tensors.items()}
    spec = resolve(Model(weights="random:0", image_size=32)).spec
    found = by_key(built(Model(), weights=Weights(spec, blind, "blind")).embed([(0, pictures[0]), (1, b"")]))
    assert found == {0: Reason.NO_VECTOR, 1: Reason.MISSING}


def test_an_error_of_the_network_surfaces_and_ends_the_threads(
    bundled: Engine, pictures: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(bundled._network._network, "forward", fail)
    with pytest.raises(RuntimeError, match="out of memory") as held:
        list(bundled.embed((number, pictures[0]) for number in count()))
    left = [
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith(("vitrine-decode", "vitrine-prefetch"))
    ]
    assert left == []
    assert held.value.__traceback__ is not None


@pytest.mark.parametrize("backbone", ["inception_v3", "vgg16"])
def test_other_backbones_go_the_whole_way(backbone: str, pictures: list[bytes]) -> None:
    model = Model(backbone=backbone, weights="random:0", precision="fp32", dim=32, pooling="gem")
    engine = built(model)
    assert engine.spec.image_size == {"inception_v3": 299, "vgg16": 224}[backbone]
    (batch,) = engine.embed(enumerate(pictures[:2]))
    assert batch.vectors.shape == (2, 32)
    assert np.allclose(np.linalg.norm(batch.vectors, axis=1), 1, atol=1e-5)


class Counting(Engine):
    """An engine that counts how often one is built."""

    built = 0

    def __init__(self, weights: Weights, request: EngineRequest) -> None:
        Counting.built += 1
        super().__init__(weights, request)


@pytest.fixture
def constructions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """How many engines were built since the test began."""
    monkeypatch.setattr(engine_module, "Engine", Counting)
    before = Counting.built
    yield lambda: Counting.built - before
    engine_module._load.cache_clear()


def request(**change: object) -> EngineRequest:
    model = Model(weights="random:0", image_size=32, precision="fp32")
    return replace(EngineRequest(resolve(model).spec, model, Pictures(), None), **change)


def test_an_engine_is_built_once_for_equal_requests(constructions: Callable[[], int]) -> None:
    assert load(request()) is load(request())
    assert constructions() == 1
    assert load(request(pictures=Pictures(max_pixels=9))) is not load(request())
    assert constructions() == 2


def test_threads_that_ask_at_once_get_one_engine(constructions: Callable[[], int]) -> None:
    start = threading.Barrier(4)
    found: list[Engine] = []

    def ask() -> None:
        start.wait()
        found.append(load(request()))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert constructions() == 1
    assert len(set(map(id, found))) == 1


def test_a_request_builds_nothing(constructions: Callable[[], int]) -> None:
    assert hash(request()) == hash(request())
    assert constructions() == 0


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_engine_of_a_model_has_the_precision_that_is_wanted(precision: str) -> None:
    model_id = resolve(Model()).spec.model_id
    assert engine_of(model_id, None, Pictures(), "cpu", precision=precision).precision == precision


def test_the_engine_comes_from_the_store_where_there_is_one(
    tmp_path_factory: pytest.TempPathFactory, constructions: Callable[[], int]
) -> None:
    store = str(tmp_path_factory.mktemp("models"))
    wanted = request(store=store, model=Model(weights="/nowhere.pth"))
    with pytest.raises(BadInput, match="is not in the model store"):
        load(wanted)
    model_store.publish(resolve(request().model), store)
    assert load(wanted).model_id == wanted.spec.model_id
    assert constructions() == 1


@pytest.mark.parametrize(
    ("assigned", "wanted", "gpus", "device"),
    [
        (None, "auto", 0, "cpu"),
        (None, "auto", 1, "cuda"),
        ("cuda:1", "auto", 2, "cuda:1"),
        ("cuda:1", "cpu", 2, "cpu"),
        ("cuda:1", "cuda:0", 2, "cuda:0"),
        ("cuda:1", "cuda", 2, "cuda:1"),
        (None, "cuda", 1, "cuda"),
    ],
)
def test_the_device_is_the_wanted_the_assigned_or_the_best(
    monkeypatch: pytest.MonkeyPatch, assigned: str | None, wanted: str, gpus: int, device: str
) -> None:
    see(monkeypatch, gpus)
    assert device_of(assigned, wanted) == device


@pytest.mark.parametrize(
    ("assigned", "wanted", "gpus"), [(None, "cuda", 0), ("cuda:0", "auto", 0), (None, "cuda:1", 1)]
)
def test_a_gpu_that_torch_does_not_see_is_told(
    monkeypatch: pytest.MonkeyPatch, assigned: str | None, wanted: str, gpus: int
) -> None:
    see(monkeypatch, gpus)
    with pytest.raises(BadInput, match=r"torch sees no cuda.*model\.device=cpu"):
        device_of(assigned, wanted)


def see(monkeypatch: pytest.MonkeyPatch, gpus: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
