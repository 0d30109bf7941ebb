import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PINS = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
INSTALLED_EXTRAS = ("spark", "torch", "milvus", "recommend", "kafka", "serve", "dev")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = target.glob("*.whl")
    return built


def test_the_wheel_holds_the_library_and_its_weights(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    bundled = ("resnet18_vitrine.safetensors", "LICENSE.weights.md", "MODEL_CARD.md")
    weights = {f"vitrine/vision/bundled/{name}" for name in bundled}
    assert {"vitrine/cli/__init__.py", "vitrine/py.typed"} | weights <= names


def test_the_wheel_holds_the_page_and_the_schema_of_events(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    served = {
        f"vitrine/serve/{name}" for name in ("static/index.html", "static/app.js", "static/app.css", "placeholder.svg")
    }
    assert {"vitrine/listing-event.schema.json", "vitrine/report/page.html"} | served <= names


def test_the_wheel_holds_neither_jobs_nor_streaming_nor_tests(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {re.sub(r"-.*(?=\.dist-info)", "", top) for top in tops} == {"vitrine", "vitrine.dist-info"}


def test_the_wheel_renamed_to_zip_serves_py_files(wheel: Path, tmp_path: Path) -> None:
    archive = shutil.copy(wheel, tmp_path / "vitrine-pyfiles.zip")
    program = (
        "import vitrine; from importlib import resources; import vitrine.product\n"
        "weights = resources.files('vitrine') / 'vision/bundled/resnet18_vitrine.safetensors'\n"
        "print(vitrine.__file__); print(len(weights.read_bytes()))"
    )
    environment = {**os.environ, "PYTHONPATH": str(archive)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    size = (ROOT / "lib/vitrine/vision/bundled/resnet18_vitrine.safetensors").stat().st_size
    assert done.stdout.split("\n")[:2] == [f"{archive}/vitrine/__init__.py", str(size)]


@pytest.mark.parametrize(
    ("path", "ignored"), [("lib/vitrine/cli/__init__.py", False), ("lib/new/x.py", False), (".venv/x", True)]
)
def test_git_sees_the_library(tmp_path: Path, path: str, ignored: bool) -> None:
    shutil.copy(ROOT / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True, capture_output=True)
    asked = ["git", "-c", "core.excludesFile=/dev/null", "check-ignore", "--quiet", path]
    assert (subprocess.run(asked, cwd=tmp_path, check=False).returncode == 0) == ignored


def test_pins_are_names_and_versions_only() -> None:
    assert [pin for pin in PINS if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin)] == []


def test_every_direct_dependency_allows_its_pin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = project["dependencies"] + [
        text for extra in INSTALLED_EXTRAS for text in project["optional-dependencies"][extra]
    ]
    pinned = dict(pin.split("==") for pin in PINS)
    for requirement in map(Requirement, direct):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


Setup = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose Python, Java and installer only note that they were called."""
    root = tmp_path / "a shop"
    for name in ("deploy/setup.sh", "pyproject.toml", "requirements.txt", "lib/vitrine/__init__.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    answers = {
        "tools/python": "#!/bin/sh\n",
        "tools/java/bin/java": "#!/bin/sh\necho 'openjdk version \"17.0.1\"' >&2\n",
        ".venv/bin/python": "#!/bin/sh\n",
        ".venv/bin/uv": '#!/bin/sh\necho "$@" >>calls\n',
    }
    for name, text in answers.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
        (root / name).chmod(0o755)
    return root


@pytest.fixture
def setup(checkout: Path) -> Setup:
    def run(**changes: str) -> subprocess.CompletedProcess[str]:
        tools = {"PYTHON": str(checkout / "tools/python"), "JAVA_HOME": str(checkout / "tools/java")}
        environment = {**os.environ, **tools, **changes}
        return subprocess.run(
            ["bash", str(checkout / "deploy/setup.sh")], env=environment, capture_output=True, text=True, check=False
        )

    return run


def calls(checkout: Path) -> list[str]:
    """What the installer was asked since the last question."""
    noted = checkout / "calls"
    lines = noted.read_text().splitlines() if noted.exists() else []
    noted.unlink(missing_ok=True)
    return [" ".join(line.split()[:2]) for line in lines]


def test_setup_installs_once_while_nothing_changes(checkout: Path, setup: Setup) -> None:
    assert setup().returncode == 0
    assert calls(checkout) == ["pip sync", "pip install"]
    again = setup()
    assert (again.returncode, again.stdout, again.stderr, calls(checkout)) == (0, "", "", [])


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml", "lib/vitrine/__init__.py"])
def test_setup_installs_again_when_pins_or_dependencies_change(checkout: Path, setup: Setup, name: str) -> None:
    setup()
    calls(checkout)
    (checkout / name).write_text("# changed\n" + (checkout / name).read_text())
    assert setup().returncode == 0
    assert calls(checkout) == ["pip sync", "pip install"]


def test_setup_keeps_the_environment_when_only_a_tool_is_configured_anew(checkout: Path, setup: Setup) -> None:
    setup()
    calls(checkout)
    with (checkout / "pyproject.toml").open("a") as project:
        project.write("# a rule\n")
    assert (setup().returncode, calls(checkout)) == (0, [])


def test_setup_goes_on_after_it_was_cut_off(checkout: Path, setup: Setup) -> None:
    installer = checkout / ".venv/bin/uv"
    working = installer.read_text()
    installer.write_text("#!/bin/sh\necho 'no answer from https://registry.example/simple'\nexit 1\n")
    failed = setup()
    assert failed.returncode == 1
    assert "setup: failed" in failed.stderr
    assert "registry.example" not in failed.stderr
    installer.write_text(working)
    assert setup().returncode == 0
    assert calls(checkout) == ["pip sync", "pip install"]


@pytest.mark.parametrize(
    ("changes", "cure"),
    [
        ({"PYTHON": "/bin/false"}, "name one, or unset it"),
        ({"JAVA_HOME": "/none"}, "apt-get install openjdk-17-jre-headless"),
    ],
)
def test_setup_names_what_is_missing_and_its_cure_in_one_line(setup: Setup, changes: dict[str, str], cure: str) -> None:
    done = setup(**changes)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert cure in done.stderr
