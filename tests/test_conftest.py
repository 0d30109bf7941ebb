import os
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
