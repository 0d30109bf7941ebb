import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent


@pytest.mark.parametrize(("required", "outcome"), [("", "1 skipped"), ("kafka,balloon", "1 failed")])
def test_a_missing_tool_skips_by_name_unless_it_is_required(tmp_path: Path, required: str, outcome: str) -> None:
    (tmp_path / "test_x.py").write_text("def test_x(require):\n    require('balloon', 'apt-get install balloon')\n")
    environment = {**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS.parent}", "VITRINE_REQUIRE": required}
    command = [sys.executable, "-m", "pytest", "-rsf", "-p", "conftest", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert outcome in done.stdout
    assert "balloon" in done.stdout
    assert "apt-get install balloon" in done.stdout


def test_settings_of_the_caller_do_not_reach_the_tests() -> None:
    assert [name for name in os.environ if name.startswith("VITRINE_")] == []


def test_tests_of_one_engine_run_in_one_process(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_collection_modifyitems\n")
    for engine in ("spark", "milvus_server"):
        fixture = f"import pytest\n@pytest.fixture\ndef {engine}(worker_id): print('{engine} in', worker_id)\n"
        test = "@pytest.mark.parametrize('n', range(9))\ndef test_x(n, " + engine + "): assert False\n"
        (tmp_path / f"test_{engine}.py").write_text(fixture + test)
    options = ["-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "18 failed" in done.stdout
    for engine in ("spark", "milvus_server"):
        assert len(set(re.findall(rf"{engine} in (gw\d)", done.stdout))) == 1
