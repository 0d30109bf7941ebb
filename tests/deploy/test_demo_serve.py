"""The demo with its page, as `make demo-serve SHOT=page.png` runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from deploy import demo_serve
from vitrine.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_ends_with_a_picture_of_its_page(chromium, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.demo_serve", "--shot", tmp_path / "page.png"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "lib")))},
        capture_output=True,
        text=True,
        check=False,
        timeout=850,
    )
    assert done.returncode == 0, done.stderr
    assert "thumbnails made" in done.stdout
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.size == (1_280, 1_000)
        results = picture.convert("RGB").crop((400, 0, 1_280, 1_000))  # the photo itself is left of them
        assert len(results.getcolors(2_000_000)) > 5_000
    assert len(list((tmp_path / ".vitrine/demo-serve/thumbnails").rglob("*.webp"))) > 1_000


def test_without_a_browser_it_says_what_to_install(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="apt-get install chromium"):
        demo_serve.found_browser()
