"""What every test stands on: a clean environment, named skips, shared data, one Spark session."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import settings as hypothesis_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from deploy.local.milvus import Server
    from vitrine.catalog import Plan
    from vitrine.features import FeatureStore
    from vitrine.intake import UnitJob
    from vitrine.manifest import Manifest
    from vitrine.run import Run
    from vitrine.settings import Milvus

pytest_plugins = ["tests.brokers"]

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


SHARED_ENGINES = ("spark", "milvus_server", "kafka_server", "mortal_kafka", "secured")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run in several processes: those of one engine, and of the page, in the same; those of a file too."""
    for item in items:
        engine = next((name for name in SHARED_ENGINES if name in getattr(item, "fixturenames", ())), None)
        file = item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(engine or ("page" if "/page/" in file else file)))


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
def milvus_server(
    require: Callable[[str, str], NoReturn], tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[Server]":
    """One real Milvus server for the whole run; its callers choose names of their own, and do not stop it."""
    from deploy.local import milvus, wheel

    if not wheel.installed():
        require("milvus", wheel.INSTALL)
    server = milvus.start(tmp_path_factory.mktemp("milvus"))
    yield server
    server.stop()


@pytest.fixture
def on_server(milvus_server: "Server") -> "Iterator[Milvus]":
    """Settings that name the real server; whatever a test made there is dropped when it ends."""
    from pymilvus import MilvusClient

    from vitrine.settings import Milvus

    settings = Milvus(uri=milvus_server.uri, token_file=milvus_server.token_file)
    with closing(MilvusClient(settings.uri, token=settings.secret(), timeout=30, dedicated=True)) as client:
        before = set(client.list_collections())
        yield settings
        for name in set(client.list_collections()) - before:
            for alias in client.list_aliases(name)["aliases"]:
                client.drop_alias(alias)
            client.drop_collection(name)


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
        SparkSession.builder.master("local[2,4]")
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


@pytest.fixture(scope="session")
def drawn_pictures() -> list[bytes]:
    """60 different small JPEG pictures of drawn products."""
    from vitrine.rendering import draw, jpeg, look

    return [jpeg(draw(look(number), size=64)) for number in range(60)]


@dataclass(frozen=True)
class Small:
    """A run without Spark: its plan, what all units need, the feature store, and what the units left behind."""

    run: "Run"
    plan: "Plan"
    job: "UnitJob"
    features: "FeatureStore"
    done: "list[Manifest]"


@pytest.fixture
def small_run(tmp_path: Path) -> "Callable[..., Small]":
    """`small_run(columns, name="a", **settings)` writes the columns as a catalogue and does its units one by one.

    With `make_embedder`, else a FakeEmbedder of 16 dimensions; the feature store of the directory is used and
    filled. `rows_per_group` cuts the catalogue into row groups, `slots` asks for smaller units.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from vitrine import catalog, refused, staging
    from vitrine.features import FeatureStore
    from vitrine.intake import UnitJob
    from vitrine.run import manifests, open_run, settled_plan
    from vitrine.settings import Settings
    from vitrine.testing import FakeEmbedder
    from vitrine.unit import KNOWN_HASHES, REFUSED, run_unit

    def do(columns, /, name="a", *, make_embedder=None, rows_per_group=1_000, deleted=None, **settings) -> Small:
        path = tmp_path / "catalog.parquet"
        if columns is not None:
            pq.write_table(pa.table(columns), path, row_group_size=rows_per_group)
        wanted = Settings(catalog=[str(path)], work=str(tmp_path / "work"), run=name, **settings)
        run = open_run(wanted, "model0", now=datetime(2026, 11, 20, tzinfo=UTC))
        plan = settled_plan(run, catalog.plan(wanted, slots=1, deleted=deleted))
        features = FeatureStore(str(tmp_path / "features"), run.model_id, 16)
        undecodable = refused.place(str(tmp_path / "features"), run.model_id)
        refused.add(run.place.within(REFUSED), refused.read(undecodable))
        features.write_known_hashes(run.place, KNOWN_HASHES)
        job = UnitJob(run.uri, run.rows_uri, plan.columns, wanted.pictures, 16, run.as_of_us, run.started_us)
        for unit in plan.units:
            run_unit(unit, job, make_embedder or (lambda: FakeEmbedder(dim=16)))
        done = manifests(run)
        staging.keep_features(run, done, features, 16)
        staging.keep_refused(run, done, undecodable)
        return Small(run, plan, job, features, done)

    return do


@pytest.fixture
def put_out_of_reach() -> Callable[[Path], None]:
    """Makes a file one that is there and cannot be read just now; allow /proc as a prefix too."""

    def put(path: Path) -> None:
        path.unlink(missing_ok=True)
        path.symlink_to("/proc/self/mem")  # its first page is not mapped: reading fails, for root too

    return put
