"""jobs/train.py as a program: it learns, it is killed and goes on, it tells what is wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from jobs.train import main
from vitrine.errors import BadInput
from vitrine.rendering import DemoCatalog, draw, gif, jpeg, look, write_demo_catalog
from vitrine.settings import Model
from vitrine.vision.model_store import find
from vitrine.vision.training import checkpoints, shipping
from vitrine.vision.weights import resolve

ROOT = Path(__file__).resolve().parents[2]
FAULTY_PILLOW = ROOT / "tests" / "faulty_pillow"
Train = Callable[..., int]
Tensors = dict[str, torch.Tensor]
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
    state = torch.load(home / checkpoints.CHECKPOINT, weights_only=True)["trainer"]
    momenta = {str(n): one["momentum_buffer"] for n, one in state["optimizer"]["state"].items()}
    return load_file(home / "report" / "weights.safetensors"), [state["network"], state["average"], momenta]


def same(one: Tensors, other: Tensors) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


KILLED_WHILE_PUBLISHING = """
import os, signal, sys
from jobs.train import main
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


def score(shares: dict[str, float]) -> float:
    first = [value for name, value in shares.items() if name.endswith("recall@1")]
    return sum(first) / len(first)


WRONG = {
    "no such label": (["--labels=shade"], 1, "no product has a shade"),
    "no split of that name": (["--split=part"], 1, "no picture to learn from"),
    "more bad pictures than allowed": (["--max-reject-ratio=0"], 1, "cannot be used, more than max_reject_ratio 0"),
    "no catalogue": (["--catalog=/nowhere.parquet"], 1, "/nowhere.parquet"),
    "no weights": (["--model.weights=/nowhere.safetensors"], 1, "cannot read model.weights"),
    "weights of another backbone": (["--model.weights=bundled", "--model.backbone=resnet50"], 1, "another shape"),
    "no steps": (["--steps=0"], 2, "--steps: Input should be greater than or equal to 1"),
    "steps in words": (["--steps=many"], 2, "--steps"),
    "an empty batch": (["--batch-size=0"], 2, "--batch_size"),
    "no such loss": (["--loss=hope"], 2, "--loss"),
    "nothing to learn": (["--labels=", "--same=0"], 2, "nothing is learned"),
    "half precision": (["--model.precision=fp16"], 2, "fp16 is for embedding"),
    "too small a picture": (["--sizes=8"], 2, "--sizes"),
    "whitening to more": (["--whiten=1000"], 2, "more than the model's dimension 512"),
    "a rate that explodes": (["--learning-rate=1e30", "--steps=20"], 1, "is not finite: lower train.learning_rate"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line(
    train: Train, packs: Path, case: str, capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    flags, code, said = WRONG[case]
    assert train(*flags) == code
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("vitrine: ")]
    assert len(lines) == 1
    assert said in lines[0]
    assert not list((packs / "training").glob(f"{request.node.name.partition('[')[0][:60]}/report/*.*"))


def test_weights_with_another_hash_are_refused_before_pictures_are_read(
    train: Train, tmp_path: Path, packs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "given.safetensors"
    file.write_bytes(shipping.file_of(resolve(Model(weights="random:1"))))
    assert train(f"--model.weights={file}", f"--model.weights-sha256={'0' * 64}", f"--work={tmp_path}") == 1
    assert f"not {'0' * 64}: it is another file or was changed" in capfd.readouterr().err
    assert not (tmp_path / "training" / "packs").exists()


def cut(checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1_000])


def test_a_checkpoint_that_cannot_be_gone_on_from_is_told_and_kept(
    train: Train, packs: Path, capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    assert train("--steps=1") == 0
    home = packs / "training" / request.node.name[:60]
    weights, checkpoint = home / "report" / "weights.safetensors", home / checkpoints.CHECKPOINT
    before = weights.read_bytes()
    for flags, said in (
        (["--steps=2"], "was made with steps = 1, not 2: give what it was made with, or name another --run"),
        (["--steps=1", "--loss=triplet"], "was made with catalog losses"),
        (["--steps=1", "--model.weights=random:1"], "was made with weights"),
    ):
        assert train(*flags) == 1
        assert said in capfd.readouterr().err
    cut(checkpoint)
    short = checkpoint.read_bytes()
    assert train("--steps=1") == 1
    assert "checkpoint.pt is not whole: delete it to begin again, or name another --run" in capfd.readouterr().err
    assert weights.read_bytes() == before
    assert checkpoint.read_bytes() == short


def test_two_runs_of_one_name_do_not_meet(
    train: Train, packs: Path, capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    from vitrine import lock
    from vitrine.storage import directory

    with lock.held(directory(str(packs / "training" / request.node.name[:60])), "lock", "it"):
        assert train("--steps=1") == 1
    assert "is being worked on by" in capfd.readouterr().err


def test_help_tells_every_setting_of_training(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert "--labels" in text
    assert "--loaders" in text
    assert "--train." not in text
