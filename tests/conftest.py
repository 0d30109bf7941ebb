"""What every test stands on: a clean environment, named skips, shared data, one Spark session."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import settings as hypothesis_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parent.parent
REQUIRED = pytest.StashKey[frozenset[str]]()
SHARED = pytest.StashKey[Path]()

hypothesis_settings.register_profile("vitrine", deadline=None, derandomize=True, print_blob=True)
hypothesis_settings.load_profile("vitrine")


def pytest_configure(config: pytest.Config) -> None:
    """Read our two variables, then hide every VITRINE_* of the caller: they are settings."""
    config.stash[REQUIRED] = frozenset(os.environ.get("VITRINE_REQUIRE", "").replace(",", " ").split())
    config.stash[SHARED] = Path(os.environ.get("VITRINE_SHARED", ROOT.parent / "shared"))
    for name in [name for name in os.environ if name.startswith("VITRINE_")]:
        del os.environ[name]
    for name in ("SPARK_HOME", "SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS", "MASTER"):
        os.environ.pop(name, None)
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked `gpu` runs where torch sees one."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no gpu: torch sees no CUDA device")


@pytest.fixture(scope="session")
def require(pytestconfig: pytest.Config) -> Callable[[str, str], NoReturn]:
    """`require(name, reason)`, called where `name` was not found: skips, or fails where VITRINE_REQUIRE lists it.

    The reason says how to install it.
    """

    def missing(name: str, reason: str) -> NoReturn:
        if name in pytestconfig.stash[REQUIRED]:
            pytest.fail(f"{name} is required here and missing: {reason}", pytrace=False)
        pytest.skip(f"no {name}: {reason}")

    return missing


@pytest.fixture(scope="session")
def chromium(require: Callable[[str, str], NoReturn]) -> str:
    """Path of a browser that can run without a screen."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return found or require("chromium", "apt-get install chromium fonts-noto-cjk")


@pytest.fixture(scope="session")
def shared_data(pytestconfig: pytest.Config) -> Path:
    """Directory of the real catalogues: `../shared/data`, or `data` in the directory that VITRINE_SHARED names."""
    data = pytestconfig.stash[SHARED] / "data"
    if not data.is_dir():
        pytest.skip(f"no real catalogues: {data} is not there (VITRINE_SHARED names its parent)")
    return data


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[SparkSession]":
    """One Spark with two slots for the whole run; tests must not stop it."""
    from pyspark.sql import SparkSession

    home = tmp_path_factory.mktemp("spark")
    session = (
        SparkSession.builder.master("local[2]")
        .appName("vitrine-tests")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "2g")
        .config("spark.local.dir", str(home / "local"))
        .config("spark.sql.warehouse.dir", str(home / "warehouse"))
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
