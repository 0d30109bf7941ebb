import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = [
    path
    for top in ("lib", "jobs", "streaming", "deploy")
    for path in sorted((ROOT / top).rglob("*.py"))
    if path.is_file()
]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def public(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """The public functions, classes and methods of a module, as dotted names."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node, f"{prefix}{node.name}.")


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("no git: this is a copy without its repository")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def test_modules_fit_on_a_few_pages() -> None:
    limits = [(path, 250) for path in SHIPPED] + [(path, 400) for path in TESTS]
    long = [shown(path) for path, limit in limits if len(path.read_text().splitlines()) > limit]
    assert not long, f"find the missing name in {long}"


def test_functions_fit_on_a_page() -> None:
    long = [
        f"{shown(path)}:{node.lineno} {node.name}"
        for path in SHIPPED + TESTS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, FUNCTIONS) and (node.end_lineno or 0) - node.lineno >= 45
    ]
    assert not long


def test_every_public_name_says_what_it_does() -> None:
    silent = []
    for path in SHIPPED:
        tree = ast.parse(path.read_text())
        names = [("module", tree), *public(tree)]
        silent += [
            f"{shown(path)} {name}" for name, node in names if path.stat().st_size and not ast.get_docstring(node)
        ]
    assert not silent


def test_no_file_holds_leftovers_or_names_a_registry() -> None:
    words = [
        "TO" + "DO",
        "FIX" + "ME",
        "pypi" + ".org",
        "python" + "hosted.org",
        "repo1" + ".maven",
        "maven" + ".apache.org",
    ]
    found = [
        f"{shown(path)}: {word}"
        for path in tracked()
        if path.suffix != ".safetensors"
        for word in words
        if word in path.read_text(errors="replace")
    ]
    assert not found


@pytest.mark.parametrize("module", ["vitrine.cli", "vitrine.client"])
def test_importing_loads_no_engine(module: str) -> None:
    assert engines_after(f"import {module}") == "[]"


def test_help_loads_no_engine() -> None:
    program = "import contextlib, io; from vitrine.cli import main; sys.argv = ['vitrine', '--help']\n"
    program += "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): main()"
    assert engines_after(program) == "[]"


def engines_after(program: str) -> str:
    engines = "['torch', 'torchvision', 'pyspark', 'pandas', 'pymilvus', 'milvus_lite', 'kafka']"
    program = f"import sys\n{program}\nprint([name for name in {engines} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


Lint = Callable[[str, str], str]


@pytest.fixture(scope="module")
def source_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("source copy")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for top in ("lib", "jobs", "streaming"):
        for path in (ROOT / top).rglob("*.py"):
            target = copy / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return copy


@pytest.fixture
def lint_with(source_copy: Path) -> Iterator[Lint]:
    """Returns what lint-imports says of the tree with one more file, or "" if it finds nothing."""
    planted: list[Path] = []

    def lint(name: str, text: str) -> str:
        planted.append(source_copy / name)
        planted[-1].write_text(text)
        program = Path(sys.executable).with_name("lint-imports")
        environment = {**os.environ, "PYTHONPATH": str(source_copy / "lib")}
        done = subprocess.run(
            [program, "--no-logo", "--no-cache"],
            cwd=source_copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr if done.returncode else ""

    yield lint
    for path in planted:
        path.unlink()


def test_the_import_contracts_hold(lint_with: Lint) -> None:
    assert lint_with("lib/vitrine/catalog/planted.py", "import vitrine.errors\n") == ""


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("lib/vitrine/catalog/planted.py", "import vitrine.vision", "vitrine.catalog.planted -> vitrine.vision (l.1)"),
        ("lib/vitrine/vision/planted.py", "import vitrine.index", "vitrine.vision.planted -> vitrine.index (l.1)"),
        ("lib/vitrine/vision/planted.py", "import jobs.reindex", "vitrine.vision.planted -> jobs.reindex (l.1)"),
        ("lib/vitrine/utils.py", "", "vitrine.utils"),
        ("jobs/planted.py", "import jobs.reindex", "jobs.planted -> jobs.reindex (l.1)"),
        ("jobs/planted.py", "import streaming", "jobs.planted -> streaming (l.1)"),
        ("jobs/planted.py", "import torch", "jobs.planted -> torch (l.1)"),
        ("lib/vitrine/catalog/planted.py", "import torch", "vitrine.catalog.planted -> torch (l.1)"),
        ("lib/vitrine/catalog/planted.py", "import kafka", "vitrine.catalog.planted -> kafka (l.1)"),
        ("lib/vitrine/index/planted.py", "import pandas", "vitrine.index.planted -> pandas (l.1)"),
        ("lib/vitrine/vision/planted.py", "import pymilvus", "vitrine.vision.planted -> pymilvus (l.1)"),
        ("lib/vitrine/vision/planted.py", "def f():\n    import pyspark", "vitrine.vision.planted -> pyspark (l.2)"),
    ],
)
def test_a_forbidden_import_fails_the_check_and_is_named(lint_with: Lint, name: str, text: str, complaint: str) -> None:
    assert complaint in lint_with(name, text)
