"""What `vitrine doctor` looks at: each part of the machine with what was found and, where wrong, the cure."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vitrine.errors import VitrineError
from vitrine.settings import Settings

_LEAST_JAVA = 17
_LEAST_FREE_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: whether it is as it should be, what was found, and what to do if not."""

    part: str
    good: bool
    found: str
    cure: str = ""

    def line(self) -> str:
        """As one line for people."""
        mark = "ok " if self.good else "BAD"
        return f"{mark} {self.part:<9} {self.found}" + (f": {self.cure}" if self.cure else "")


def examine(settings: Settings) -> list[Finding]:
    """Look at every part; one that cannot be looked at is a finding too."""
    checks: tuple[tuple[str, Callable[[Settings], Iterator[Finding]]], ...] = (
        ("python", _python),
        ("java", _java),
        ("spark", _spark),
        ("torch", _torch),
        ("weights", _weights),
        ("milvus", _milvus),
        ("kafka", kafka),
        ("disk", _disk),
    )
    return [finding for part, check in checks for finding in _looked(part, check, settings)]


def kafka(settings: Settings) -> Iterator[Finding]:
    """Both topics of listings; nothing where no Kafka is named."""
    named = settings.kafka
    if not named.bootstrap:
        return
    from vitrine.broker import admin

    with admin(named) as administration:
        for topic in (named.topic, named.dlq_topic):
            partitions = administration.partitions(topic)
            found = f"{', '.join(named.bootstrap)}: topic {topic} has {partitions} partitions"
            yield Finding("kafka", partitions > 0, found, "" if partitions else "make the topic, or name another")


def _looked(part: str, check: Callable[[Settings], Iterator[Finding]], settings: Settings) -> Iterator[Finding]:
    try:
        yield from check(settings)
    except (VitrineError, ImportError, OSError) as error:
        missing = isinstance(error, ImportError)
        yield Finding(part, False, str(error), "pip install 'vitrine[all]'" if missing else "")


def _python(_: Settings) -> Iterator[Finding]:
    yield Finding("python", True, f"{platform.python_version()} on {os.cpu_count()} cores")


def _java(_: Settings) -> Iterator[Finding]:
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home, "bin", "java")) if home else shutil.which("java")
    cure = "apt-get install openjdk-17-jre-headless, or set JAVA_HOME"
    if program is None or not Path(program).exists():
        yield Finding("java", False, f"no Java at {program}" if program else "no Java", cure)
        return
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False, timeout=30).stderr
    number = re.search(r'version "(\d+)', said)
    found = int(number.group(1)) if number else 0
    yield Finding("java", found >= _LEAST_JAVA, f"{found} ({program})", "" if found >= _LEAST_JAVA else cure)


def _spark(_: Settings) -> Iterator[Finding]:
    try:
        yield Finding("spark", True, f"pyspark {version('pyspark')}, pyarrow {version('pyarrow')}")
    except PackageNotFoundError as error:
        yield Finding("spark", False, f"{error}", "pip install 'vitrine[spark]'")


def _torch(settings: Settings) -> Iterator[Finding]:
    from vitrine.vision.engine import device_of
    from vitrine.vision.precision import describe

    yield Finding("torch", True, describe(device_of(None, settings.model.device)))


def _weights(settings: Settings) -> Iterator[Finding]:
    from vitrine.vision.weights import resolve

    weights = resolve(settings.model)
    spec = weights.spec
    found = f"{weights.origin}: {spec.backbone} at {spec.image_size} px, {spec.dim} dimensions, model {spec.model_id}"
    yield Finding("weights", True, found)
    if weights.origin == "bundled":
        licence = resources.files("vitrine.vision").joinpath("bundled", "LICENSE.weights.md")
        yield Finding("licence", licence.is_file(), f"{weights.notice} ({licence})")
    elif weights.untrained:
        yield Finding("weights", False, weights.notice, "name trained weights")
    elif weights.notice:
        yield Finding("licence", True, weights.notice)


def _milvus(settings: Settings) -> Iterator[Finding]:
    from vitrine.index import bulk, collections
    from vitrine.index.store import connect

    milvus = settings.milvus
    if milvus.is_lite and not Path(milvus.uri).exists():
        yield Finding(
            "milvus", True, f"Milvus Lite {version('milvus-lite')}, {milvus.uri} will be made by the first run"
        )
        return
    with connect(milvus) as store:
        served = collections.current(store, milvus.alias)
        serves = f"alias {milvus.alias} serves {served.name}" if served else f"no alias {milvus.alias} yet"
        limits = ", one process at a time" if milvus.is_lite else ""
        yield Finding("milvus", True, f"{store.version()} at {milvus.uri}: {serves}{limits}")
        yield Finding("load", True, str(bulk.choose(store, milvus)))


def _disk(settings: Settings) -> Iterator[Finding]:
    from vitrine.storage import require_writable

    for setting, uri in (
        ("work", settings.work),
        ("features.uri", settings.features_uri),
        ("model.store", settings.model_store_uri),
    ):
        require_writable(uri, setting)
    if "://" in settings.work:
        yield Finding("disk", True, f"{settings.work} can be written")
        return
    free = shutil.disk_usage(settings.work).free
    enough = free >= _LEAST_FREE_BYTES
    yield Finding(
        "disk", enough, f"{free / 1e9:.1f} GB free at {settings.work}", "" if enough else "free some or set --work"
    )
