"""What jobs/train.py says of wrong settings, wrong files and checkpoints of others."""

from pathlib import Path

import pytest

from jobs.train import main
from tests.jobs.train.conftest import Train
from vitrine.rendering import DemoCatalog
from vitrine.settings import Model
from vitrine.vision.training import checkpoints, shipping
from vitrine.vision.weights import resolve

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
    "whitening with too few pictures": (["--whiten=300"], 2, "whiten 300 wants more pictures than that"),
    "a dimension that is not there": (["--model.dim=600"], 2, "model.dim 600 is more than the 512 that resnet18 gives"),
    "no such GPU": (["--model.device=cuda:7"], 1, "torch sees no cuda:7 here: set model.device=cpu"),
    "too long a licence": ([f"--licence={'so ' * 700}"], 2, "characters with what it began with, at most 2,000"),
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
        (["--steps=1", "--patience=3"], "was made with patience = 10, not 3"),
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


def test_lessons_in_another_order_are_another_training(
    shop: DemoCatalog, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Their order draws the pictures and numbers the classes' momentum."""
    config, lesson = tmp_path / "two.toml", f'catalog = ["{shop.path}"]\nlabels = ["category"]\nside = 32\n'
    flags = ("--steps=1", "--batch-size=8", "--sizes=32", "--model.weights=random:1", "--run=two")
    for names, code in (("ab", 0), ("ba", 1)):
        config.write_text("".join(f'[[train.lessons]]\nname = "{name}"\n{lesson}' for name in names))
        assert main([f"--config={config}", f"--work={tmp_path}", *flags]) == code
    told = 'was made with lessons = [["a", "category"], ["b", "category"]], not [["b", "category"], ["a", "category"]]'
    assert told in capfd.readouterr().err


LESSON = """
[[train.lessons]]
name = "mine"
labels = ["category"]
"""
LESSONS = {
    "beside a catalogue": ("", ["--catalog=x.parquet"], "there is a catalog and there are train.lessons"),
    "and columns for all": ("", ["--columns.title=name"], "columns: there are train.lessons, each says its own"),
    "and labels for all": ("", ["--labels=brand"], "train.labels: there are train.lessons, each says its own"),
    "with a weight of nothing": ("weights = { categori = 0.5 }", [], "categori has a loss or a weight"),
    "from nowhere": ('pack = "there"', [], "give either a catalog or a pack"),
}


@pytest.mark.parametrize("case", LESSONS)
def test_lessons_that_contradict_are_one_line_and_exit_code_2(
    tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    more, given, said = LESSONS[case]
    config = tmp_path / "lessons.toml"
    config.write_text(f'{LESSON}catalog = ["x.parquet"]\n{more}\n')
    assert main([f"--config={config}", f"--work={tmp_path}", *given]) == 2
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.startswith("vitrine: ")
    assert said in line
