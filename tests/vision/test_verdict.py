from pathlib import Path

import pytest
import torch

from vitrine.settings import Model, Pictures
from vitrine.storage import directory
from vitrine.vision import model_store, precision
from vitrine.vision.engine import Engine, EngineRequest
from vitrine.vision.precision import reduced_precision
from vitrine.vision.verdict import Verdict, kind_of, verdict_on
from vitrine.vision.weights import resolve

CPU = torch.device("cpu")


def test_what_is_noted_is_known_to_the_next(tmp_path: Path) -> None:
    assert verdict_on("abc", str(tmp_path), CPU).known() is None
    verdict_on("abc", str(tmp_path), CPU).note("bf16")
    assert verdict_on("abc", str(tmp_path), CPU).known() == "bf16"


def test_a_verdict_holds_for_its_model_and_kind_of_device_only(tmp_path: Path) -> None:
    verdict_on("abc", str(tmp_path), CPU).note("bf16")
    assert verdict_on("other", str(tmp_path), CPU).known() is None
    assert Verdict(directory(str(tmp_path)).within("abc"), "another chip").known() is None


@pytest.mark.parametrize(
    ("module", "name", "other"),
    [
        (torch.cpu, "_is_avx512_bf16_supported", "other"),
        (torch.cpu, "_is_amx_tile_supported", "other"),
        (torch.backends.cpu, "get_cpu_capability", "NO AVX"),
    ],
)
def test_another_processor_is_of_another_kind(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str, other: str
) -> None:
    here = kind_of(CPU)
    assert torch.__version__ in here
    monkeypatch.setattr(module, name, lambda: other)
    assert kind_of(CPU) != here


def test_without_a_store_nothing_is_kept() -> None:
    verdict = verdict_on("abc", None, CPU)
    verdict.note("bf16")
    assert verdict.known() is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"kind": 1, "precision": "bf16"}'])
def test_a_damaged_verdict_is_none(tmp_path: Path, content: bytes) -> None:
    verdict_on("abc", str(tmp_path), CPU).note("bf16")
    (file,) = (tmp_path / "abc").iterdir()
    file.write_bytes(content)
    assert verdict_on("abc", str(tmp_path), CPU).known() is None


def test_a_store_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    verdict = verdict_on("abc", str(tmp_path / "file"), CPU)
    verdict.note("bf16")
    assert verdict.known() is None


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What each check came to, on a CPU that has bf16."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    found: list[bool] = []
    real = precision.keeps_neighbours

    def noted(*vectors: object) -> bool:
        found.append(real(*vectors))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(precision, "keeps_neighbours", noted)
    return found


def built(store: Path) -> Engine:
    model = Model()
    weights = resolve(model)
    return Engine(weights, EngineRequest(weights.spec, model, Pictures(), str(store)))


def test_of_two_engines_with_one_store_the_second_checks_nothing(tmp_path: Path, checks: list[bool]) -> None:
    model_store.publish(resolve(Model()), str(tmp_path))
    assert [built(tmp_path).precision for _ in range(2)] == ["bf16", "bf16"]
    assert checks == [True]


def test_a_precision_that_failed_stays_refused(tmp_path: Path, checks: list[bool]) -> None:
    verdict_on(resolve(Model()).spec.model_id, str(tmp_path), CPU).note("fp32")
    assert reduced_precision(CPU) == "bf16"
    assert built(tmp_path).precision == "fp32"
    assert checks == []


def test_an_unknown_word_is_checked_again_and_mended(tmp_path: Path, checks: list[bool]) -> None:
    verdict = verdict_on(resolve(Model()).spec.model_id, str(tmp_path), CPU)
    verdict.note("fp8")
    assert built(tmp_path).precision == "bf16"
    assert checks == [True]
    assert verdict.known() == "bf16"
