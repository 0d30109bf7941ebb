"""jobs/train.py as a program: it learns, it is killed and goes on, it tells what is wrong."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from jobs.train import main, terms_of
from tests.jobs.train.conftest import SMALL, Train, arguments, report
from vitrine.errors import BadInput
from vitrine.rendering import DemoCatalog, draw, gif, jpeg, look
from vitrine.settings import Model, Settings
from vitrine.vision.model_store import find
from vitrine.vision.training import checkpoints
from vitrine.vision.weights import resolve

ROOT = Path(__file__).resolve().parents[3]
FAULTY_PILLOW = ROOT / "tests" / "faulty_pillow"
Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """480 drawn products in four colours and many shapes and patterns; one is cut short, one kills its decoder."""
    looks = [one for one in map(look, range(4_000)) if one.colour.name in {"red", "blue", "green", "yellow"}][:480]
    images = [jpeg(draw(one, size=48)) for one in looks]
    images[7] = images[7][:200]
    images[8] = gif(draw(looks[8], size=48)) + b" segmentation fault"
    ids = [f"p{number:03}" for number in range(len(looks))]
    table = pa.table({"product_id": ids, "image": images, "colour": [one.colour.name for one in looks]})
    path = tmp_path_factory.mktemp("coloured") / "catalog.parquet"
    pq.write_table(table, path)
    return path


def test_a_small_network_learns_colours_whatever_has_them(
    train: Train,
    coloured: Path,
    packs: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """From random weights, in a hundred steps; no product that it is asked about was seen before."""
    monkeypatch.syspath_prepend(FAULTY_PILLOW)
    flags = "--labels=colour --same=0 --steps=100 --batch-size=96 --average=0.9 --validate-every=50 --held-out=0.25"
    model = ("--model.dim=64", "--pooling=gem", "--side=48", "--licence=drawn pictures, CC0")
    assert train(f"--catalog={coloured}", *flags.split(), *model) == 0
    found = report(packs, request.node.name)
    start, end = found["at_the_start"], found["metrics"]
    assert end["catalog colour recall@1"] > start["catalog colour recall@1"] + 0.1
    assert end["catalog colour map@r"] > 2 * start["catalog colour map@r"]
    assert [one["step"] for one in found["validations"]] == [0, 50, 100]
    assert found["data"]["catalog"]["rejected"] == {"decoder_crash": 1, "truncated": 1}
    stored = packs / "models" / found["model_id"] / "model.json"
    told = json.loads(stored.read_text())
    assert told["training"]["licence"] == told["notice"] == "drawn pictures, CC0"
    assert told["training"]["metrics"] == found["metrics"]
    assert (told["spec"]["dim"], told["spec"]["pooling"], told["spec"]["image_size"]) == (64, "gem", 32)
    file = packs / "training" / request.node.name / "report" / "weights.safetensors"
    assert f"--model.weights {file}" in capsys.readouterr().out
    assert resolve(Model(weights=str(file))).spec.model_id == found["model_id"]
    page = (file.parent / "report.html").read_text()
    assert page.count("<polyline") == 4 + 2
    assert "truncated" in page


def test_killed_and_started_again_it_ends_as_if_undisturbed(
    shop: DemoCatalog, packs: Path, train: Train, request: pytest.FixtureRequest
) -> None:
    """Killed once in the middle, and once between the two files of the model store."""
    flags = ("--steps=6", "--batch-size=8", "--validate-every=2", "--model.dim=16")
    assert train(*flags) == 0
    undisturbed, home = report(packs, request.node.name), packs / "training" / "killed"
    again = arguments(shop, packs, "killed", *flags, "--checkpoint-s=0", f"--model.store={packs / 'second'}")
    with job(["jobs/train.py", *again]) as process:
        until(lambda: (home / "checkpoint.pt").exists() or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    with job(["-c", KILLED_WHILE_PUBLISHING, *again]) as process:
        said = process.communicate(timeout=240)[1]
    assert process.returncode == -signal.SIGKILL
    assert "going on at step" in said
    assert not (home / "report" / "weights.safetensors").exists()
    with pytest.raises(BadInput, match="is not in the model store"):
        find(undisturbed["model_id"], str(packs / "second"))
    assert main(again) == 0
    weights, states = zip(*map(ended, (packs / "training" / request.node.name, home)), strict=True)
    assert same(*weights)
    assert all(same(*pair) for pair in zip(*states, strict=True))
    assert report(packs, "killed")["validations"] == undisturbed["validations"]
    assert find(undisturbed["model_id"], str(packs / "second")).spec.dim == 16


def ended(home: Path) -> tuple[Tensors, list[Tensors]]:
    """What a run came to: the weights that ship, and the network, the average and the momentum of its last step."""
    file = (home / checkpoints.CHECKPOINT).read_bytes()[checkpoints.SHA256_BYTES :]
    state = torch.load(io.BytesIO(file), weights_only=True)["trainer"]
    momenta = {str(n): one["momentum_buffer"] for n, one in state["optimizer"]["state"].items()}
    return load_file(home / "report" / "weights.safetensors"), [state["network"], state["average"], momenta]


def same(one: Tensors, other: Tensors) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


KILLED_WHILE_PUBLISHING = """
import os, signal, sys
from jobs.train import main
from tests.jobs.train.conftest import SMALL, Train, arguments, report
from vitrine.storage import Directory

write = Directory.write

def write_or_die(place, name, data):
    if name == "model.json":
        os.kill(os.getpid(), signal.SIGKILL)
    write(place, name, data)

Directory.write = write_or_die
main(sys.argv[1:])
"""


def job(command: list[str]) -> "subprocess.Popen[str]":
    """A Python program of its own."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'lib'}:{ROOT}", "OMP_NUM_THREADS": "1"}
    whole = [sys.executable, "-W", "error", *command]
    return subprocess.Popen(whole, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def until(condition: Callable[[], bool], *, deadline_s: float = 200) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_pictures_alone_teach_too(train: Train, packs: Path, request: pytest.FixtureRequest) -> None:
    assert train("--labels=", "--steps=2", "--packshots", "--whiten=4") == 0
    found = report(packs, request.node.name)
    assert {name.rpartition(" ")[0] for name in found["metrics"]} == {"catalog view"}
    assert find(found["model_id"], str(packs / "models")).spec.dim == 4


def test_training_ends_early_where_it_no_longer_gets_better(
    train: Train, packs: Path, request: pytest.FixtureRequest
) -> None:
    """At a rate of nothing no validation is better than the first, whose weights are kept."""
    assert train("--steps=9", "--validate-every=1", "--patience=2", "--learning-rate=1e-9", "--average=0.999") == 0
    found = report(packs, request.node.name)
    assert found["steps"] < 9
    assert found["best_step"] == max(found["validations"], key=lambda one: score(one["shares"]))["step"]
    assert len(found["validations"]) == found["best_step"] + 3


def test_validations_while_pictures_are_small_do_not_end_it(
    train: Train, packs: Path, request: pytest.FixtureRequest
) -> None:
    flags = ("--steps=9", "--validate-every=1", "--patience=2", "--learning-rate=1e-9", "--average=0.999")
    assert train(*flags, "--sizes", "32", "40") == 0
    found = report(packs, request.node.name)
    assert found["steps"] == min(9, max(found["best_step"], 5) + 2)


def score(shares: dict[str, float]) -> float:
    first = [value for name, value in shares.items() if name.endswith("recall@1")]
    return sum(first) / len(first)


def test_packs_alone_are_made_and_then_learned_from(
    train: Train, packs: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    assert train("--pack-only") == 0
    (line,) = capsys.readouterr().out.splitlines()
    place = line.partition(" pictures in ")[2]
    assert not (packs / "training" / request.node.name / "report" / "weights.safetensors").exists()
    config = packs / "packed.toml"
    config.write_text(f'[[train.lessons]]\nname = "mine"\nlabels = ["product_id"]\npack = "{place}"\n')
    given = [one for one in SMALL if not one.startswith(("--labels", "--held-out"))]
    assert main([f"--config={config}", f"--work={packs}", "--run=packed", "--steps=1", *given]) == 0
    assert report(packs, "packed")["data"]["mine"]["catalog"] == [place]


def test_a_work_directory_may_be_given_as_an_address(shop: DemoCatalog, tmp_path: Path) -> None:
    assert main([*arguments(shop, tmp_path, "there", "--pack-only"), f"--work=file://{tmp_path}"]) == 0
    assert len([*(tmp_path / "training" / "packs").glob("catalog-*")]) == 1


def test_terms_of_what_it_begins_with_are_kept_beside_its_own(
    train: Train, packs: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    assert train("--model.weights=bundled", "--steps=1", "--licence=mine alone") == 0
    found = report(packs, request.node.name)
    file = packs / "training" / request.node.name / "report" / "weights.safetensors"
    for notice in (found["licence"], find(found["model_id"], str(packs / "models")).notice,
                   resolve(Model(weights=str(file))).notice):  # fmt: skip
        assert notice.startswith("bundled weights: ")
        assert notice.endswith("; mine alone")
    begun = resolve(Model(weights=str(file)))
    assert terms_of(Settings.model_validate({"train": {"licence": "mine alone"}}), begun) == found["licence"]
    assert terms_of(Settings.model_validate({"train": {"licence": "mine"}}), begun) == f"{found['licence']}; mine"


def test_help_tells_every_setting_of_training(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert "--labels" in text
    assert "--loaders" in text
    assert "--train." not in text
