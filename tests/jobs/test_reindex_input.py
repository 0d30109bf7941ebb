"""Bad input: one clear line that names the thing and the cure, exit 1 or 2, and nothing half-done."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import safetensors.numpy

from jobs.reindex import main

ROOT = Path(__file__).resolve().parent.parent.parent
JOB = ROOT / "jobs" / "reindex.py"


@pytest.fixture
def own_logging() -> Iterator[None]:
    """What a program configures is put back."""
    root = logging.getLogger()
    names = ["vitrine", "streaming", "grpc", "py4j", "SQLQueryContextLogger", "DataFrameQueryContextLogger"]
    before = (list(root.handlers), root.level, {name: logging.getLogger(name).level for name in names})
    yield
    root.handlers[:], root.level = before[0], before[1]
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def refused(shop, capsys, own_logging) -> Callable[..., tuple[int, str]]:
    """Runs the job's command line, which must fail without a trace in Milvus; returns exit code and last line."""

    def run(*flags: str, catalog: str | None = None) -> tuple[int, str]:
        before, served = shop.collections(), shop.served()
        capsys.readouterr()
        given = [
            "--catalog",
            catalog or str(shop.place / "catalog.parquet"),
            "--milvus.uri",
            str(shop.place / "shop.db"),
        ]
        code = main([*given, "--work", str(shop.place / "work"), "--model.store", str(shop.models), *flags])
        said = capsys.readouterr().err
        assert "Traceback" not in said
        assert [line for line in said.splitlines() if line.startswith("vitrine: ")] == said.splitlines()[-1:]
        assert (shop.collections(), shop.served()) == (before, served)
        return code, said.splitlines()[-1].removeprefix("vitrine: ")

    return run


@pytest.fixture
def small(shop, drawn_pictures):
    """A sound catalogue of three products."""
    shop.write({"product_id": ["a", "b", "c"], "image": drawn_pictures[:3]})
    return shop


def test_a_missing_catalogue_is_named(shop, refused) -> None:
    place = shop.place / "none.parquet"
    assert refused(catalog=str(place)) == (1, f"{place} does not exist: check the path")


def test_a_directory_without_parquet_is_named(shop, refused) -> None:
    (shop.place / "empty").mkdir()
    (shop.place / "empty" / "readme.txt").write_text("no")
    code, line = refused(catalog=str(shop.place / "empty"))
    assert (code, line) == (1, f"{shop.place}/empty holds no Parquet file (*.parquet): check --catalog")


def test_a_file_that_is_not_parquet_is_named(shop, refused) -> None:
    place = shop.place / "catalog.parquet"
    place.write_text("product_id,image\n")
    code, line = refused()
    assert code == 1
    assert line.startswith(f"{place} is not a readable Parquet file: write it again (")


@pytest.mark.parametrize(
    ("columns", "flags", "said"),
    [
        ({"sku": ["a"], "image": [b"x"]}, [], "has no column product_id: name it with --columns.product_id=NAME"),
        ({"product_id": ["a"], "photo": [b"x"]}, [], "has no column of pictures: name it with --columns.image"),
        ({"product_id": ["a"], "image": [1.5]}, [], "column image is double, wanted binary for image: convert it"),
        ({"product_id": [True], "image": [b"x"]}, [], "column product_id is bool, wanted string or integer"),
        (
            {"product_id": ["a"], "image": [b"x"]},
            ["--columns.title=name"],
            "has no column name: set --columns.title to",
        ),
        ({"product_id": ["a"], "image": [b"x"], "version": ["7"]}, [], "column version is string, wanted integer"),
    ],
)
def test_wrong_columns_are_named_with_file_and_cure(shop, refused, columns, flags, said) -> None:
    shop.write(columns)
    code, line = refused(*flags)
    assert code == 1
    assert line.startswith(str(shop.place / "catalog.parquet"))
    assert said in line


def test_a_catalogue_without_rows_is_refused(shop, refused) -> None:
    shop.write({"product_id": pa.array([], pa.string()), "image": pa.array([], pa.binary())})
    assert refused() == (1, f"{shop.place}/catalog.parquet: no row in any file: check --catalog")


def test_a_catalogue_without_a_usable_picture_is_refused(shop, refused) -> None:
    shop.write({"product_id": ["a", "b"], "image": [b"<html>", None]})
    code, line = refused()
    assert (code, line.split(" (")[0]) == (1, "gate rejects failed: 2 of 2 rows were rejected")
    code, line = refused("--max-reject-ratio", "1")
    assert (code, line) == (1, "no picture of the catalogue can be used: the alias stays where it is")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--model.sharpness=3"], "sharpness"),
        (["--max-reject-ratio=2"], "--max_reject_ratio: Input should be less than or equal to 1"),
        (["--run", "a-b"], "--run: letters, digits and _ only"),
        (["--model.weights", "IMAGENET9"], "model.weights 'IMAGENET9' is unknown: bundled, random:SEED"),
        (["--model.backbone", "resnet9"], "model.backbone 'resnet9' is unknown: choose one of resnet18"),
        (["--pictures.prefixes", "shop"], "pictures.prefixes: shop: no absolute path of this machine"),
        (["--milvus.load", "import"], "Milvus Lite has no bulk import"),
    ],
)
def test_wrong_settings_are_named(small, refused, flags, said) -> None:
    code, line = refused(*flags)
    assert code == 2
    assert said in line


@pytest.mark.parametrize("setting", ["work", "report", "features.uri", "model.store"])
def test_a_place_that_cannot_be_written_is_named(small, refused, setting) -> None:
    (small.place / "file").write_text("no directory")
    place = f"{small.place}/file/below"
    code, line = refused(f"--{setting}", place)
    assert code == 1
    assert line.startswith(f"cannot write to {place}")
    assert line.endswith(f"set {setting} to a writable directory")


def test_an_alias_of_another_model_is_refused(small, refused) -> None:
    small.run("first")
    code, line = refused("--model.dim", "8")
    assert code == 1
    assert line.startswith("alias products serves products__first of model ")
    assert line.endswith("name the weights of that model, or pass --model.change=true to change over")


def test_weights_of_another_backbone_are_refused(small, refused) -> None:
    code, line = refused("--model.backbone", "resnet50")
    assert code == 1
    assert line.startswith("weights of another shape: bundled holds resnet18, model.backbone is resnet50: name weights")


def test_weights_of_another_shape_are_refused(small, refused) -> None:
    place = small.place / "odd.safetensors"
    safetensors.numpy.save_file({"conv1.weight": np.zeros((64, 3, 5, 5), np.float32)}, place)
    code, line = refused("--model.weights", str(place))
    assert code == 1
    assert line.startswith("weights of another shape: conv1.weight is (64, 3, 5, 5), resnet18 wants (64, 3, 7, 7)")


def test_a_database_that_is_no_database_is_refused(small, capsys, own_logging, tmp_path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    given = ["--catalog", str(small.place / "catalog.parquet"), "--work", str(tmp_path / "work")]
    assert main([*given, "--model.store", str(small.models), "--milvus.uri", str(tmp_path / "notes")]) == 2
    assert "is not a Milvus Lite 3 database: name one, or a path that is free" in capsys.readouterr().err
    assert os.listdir(tmp_path / "notes") == ["a.txt"]


def command(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, JOB, *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def flags(place: Path, models: Path) -> list[object]:
    return [
        *("--catalog", place / "catalog.parquet", "--milvus.uri", place / "shop.db"),
        *("--work", place / "work", "--model.store", models),
    ]


def test_an_unknown_setting_is_one_line_of_the_command() -> None:
    done = command("--catalogue", "x")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("vitrine: ")
    assert "catalogue" in done.stderr


def test_without_java_the_command_names_the_cure(small) -> None:
    done = command(*flags(small.place, small.models), PATH=str(small.place), JAVA_HOME=str(small.place))
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[-1] == (
        "vitrine: Spark found no Java that it can start: install Java 17 "
        "(apt-get install openjdk-17-jre-headless) or set JAVA_HOME to one"
    )
    assert all("Z INFO vitrine." in line or "Z WARNING vitrine." in line for line in lines[:-1])
    assert small.collections() == []


@pytest.mark.slow
def test_the_command_says_nothing_that_is_not_its_own(small) -> None:
    done = command(
        *flags(small.place, small.models), "--model.precision", "fp32", "--spark.master", "local[1]", "--run", "quiet"
    )
    assert (done.returncode, done.stdout) == (0, "")
    strange = [
        line for line in done.stderr.splitlines() if not ("Z INFO vitrine." in line or "WARNING vitrine." in line)
    ]
    assert strange == []
    assert "done rows=3 embedded=3 reused=0 rejected=0 duplicates=0 collection=products__quiet" in done.stderr
    assert "Spark" in (small.place / "work/runs/quiet/spark.log").read_text()


def test_help_explains_every_setting_without_an_engine() -> None:
    done = command("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for words in ("python jobs/reindex.py --catalog", "--milvus.uri", "--max_reject_ratio", "Side of the square"):
        assert words in done.stdout


@pytest.mark.slow
def test_spark_submit_runs_the_same_program(small) -> None:
    submit = [Path(sys.executable).with_name("spark-submit"), "--master", "local[1]", JOB]
    given = [*flags(small.place, small.models), "--model.precision", "fp32", "--run", "submitted"]
    done = subprocess.run([*map(str, (*submit, *given))], capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "done rows=3 embedded=3 reused=0 rejected=0 duplicates=0 collection=products__submitted" in said
    assert " INFO SparkContext: Successfully" not in said
    bad = subprocess.run([*map(str, (*submit, "--catalog", "none"))], capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert "vitrine: none does not exist: check the path" in bad.stdout + bad.stderr


@pytest.mark.slow
def test_properties_of_spark_submit_stand_above_ours_and_flags_above_those(tmp_path) -> None:
    program = tmp_path / "ask.py"
    program.write_text(
        "from vitrine.spark import session\n"
        "with session('ask', {'sql.shuffle.partitions': '9'}) as spark:\n"
        "    names = ('spark.master', 'spark.locality.wait', 'spark.sql.shuffle.partitions', 'spark.ui.enabled')\n"
        "    print([spark.conf.get(name) for name in names])\n"
    )
    submit = [
        Path(sys.executable).with_name("spark-submit"),
        "--master",
        "local[1]",
        "--conf",
        "spark.locality.wait=7s",
    ]
    asked = [*submit, "--conf", "spark.sql.shuffle.partitions=8", program]
    done = subprocess.run([*map(str, asked)], capture_output=True, text=True, check=False, timeout=240)
    assert done.stdout.strip() == "['local[1,4]', '7s', '9', 'false']", done.stderr
