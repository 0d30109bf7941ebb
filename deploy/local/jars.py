"""The programs of a Kafka broker: its jars, fetched once by Maven and kept in the user's cache."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from vitrine.errors import BadInput, Unavailable

VERSION = "4.1.1"
INSTALL = "apt-get install maven openjdk-17-jre-headless"
_FETCH_S = 600.0
_LINES_SHOWN = 5
_POM = f"""<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>vitrine</groupId>
  <artifactId>local-broker</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""


def missing() -> str:
    """What of Java and Maven is not there, "" where a broker can run; Maven is needed only until the jars are kept."""
    if java() is None:
        return "java"
    return "" if _kept().is_dir() or shutil.which("mvn") else "mvn"


def java() -> str | None:
    """The program that runs the jars: that of JAVA_HOME where it is set, else the one that is found first."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=str(Path(home, "bin"))) if home else shutil.which("java")


def class_path() -> str:
    """The jars as Java's class path; the first call fetches them (46 files, 43 MB, 10 s and more).

    Raises:
        BadInput: Java is not installed, or Maven is not and the jars are not there yet.
        Unavailable: Maven could not fetch them.
    """
    if missing():
        raise BadInput(f"a Kafka broker needs {missing()}: {INSTALL}")
    place = _kept()
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix="fetching-") as aside:
            _fetch(Path(aside))
            try:
                Path(aside, "jars").rename(place)
            except OSError:
                if not place.is_dir():  # else another process came first
                    raise
    return f"{place}/*"


def _kept() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "vitrine", f"kafka-{VERSION}")


def _fetch(aside: Path) -> None:
    (aside / "pom.xml").write_text(_POM)
    command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=jars"]
    try:
        done = subprocess.run(
            command, cwd=aside, capture_output=True, text=True, errors="replace", check=False, timeout=_FETCH_S
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"Maven did not fetch Kafka's jars within {_FETCH_S:.0f} s: try again") from error
    if done.returncode:
        told = "\n".join((done.stdout + done.stderr).splitlines()[:_LINES_SHOWN])
        raise Unavailable(f"Maven could not fetch Kafka's jars: {told}")
