"""What is away or full ends a run in one line with exit code 1, and the same run goes on once it is back."""

import logging
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local import milvus as local
from vitrine.flags import exit_code

N = 40
PHASES = ("plan", "embed", "reuse", "load", "index", "gates", "keep", "swap")


class At(logging.Handler):
    """Calls back once, when the log says that a phase begins."""

    def __init__(self, phase: str, action: Callable[[], object]) -> None:
        super().__init__()
        self.phase, self.action, self.called = phase, action, False

    def emit(self, record: logging.LogRecord) -> None:
        if not self.called and record.getMessage() == f"phase {self.phase}":
            self.called = True
            self.action()


@contextmanager
def at(phase: str, action: Callable[[], object]) -> Iterator[At]:
    handler = At(phase, action)
    logger = logging.getLogger("vitrine.phases")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def one_line(text: str) -> str:
    """What a program said on stderr, beside its log and that of Spark."""
    (line,) = [line for line in text.splitlines() if line.startswith("vitrine: ")]
    assert "Traceback" not in text
    return line


@pytest.fixture
def listing(drawn_pictures) -> dict[str, list[object]]:
    return {"product_id": [f"p{n:02}" for n in range(N)], "image": [drawn_pictures[n] for n in range(N)]}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_database_out_of_reach_in_any_phase_is_one_line_and_the_run_goes_on_later(
    milvus_server, tmp_path, shop, listing, capfd
) -> None:
    server = local.start(tmp_path / "milvus")
    try:
        database = {"uri": server.uri, "token_file": str(server.token_file), "timeout_s": 3, "patience_s": 0}
        away = replace(shop, database=database)
        away.write(listing, rows_per_group=10)
        for phase in PHASES:
            capfd.readouterr()
            with at(phase, server.kill) as reached:
                assert exit_code(lambda run=phase: away.run(run)) == 1
            assert reached.called
            assert server.uri in one_line(capfd.readouterr().err)
            server.restart()
            report = away.run(phase, milvus={"timeout_s": 60, "patience_s": 60})
            assert away.served().name == report.collection
            assert len(away.vectors()) == N
    finally:
        server.stop()


def test_a_server_that_is_not_there_is_one_line_before_any_work(shop, listing, capfd) -> None:
    shop.write(listing)
    nobody = replace(shop, database={"uri": "http://127.0.0.1:9", "timeout_s": 1})
    assert exit_code(lambda: nobody.run("a")) == 1
    assert "http://127.0.0.1:9" in one_line(capfd.readouterr().err)
    assert not (shop.place / "work").exists()


def test_a_wrong_token_is_one_line_without_the_token(server_shop, listing, tmp_path, capfd) -> None:
    shop = server_shop("wrong_token")
    shop.write(listing)
    wrong = tmp_path / "token"
    wrong.write_text("root:not-the-secret")
    assert exit_code(lambda: shop.run("a", milvus={"token_file": str(wrong)})) == 1
    said = one_line(capfd.readouterr().err)
    assert "token" in said
    assert "not-the-secret" not in said


def test_another_dimension_is_one_line_before_any_work(shop, listing, capfd) -> None:
    shop.write(listing)
    shop.run("first")
    assert exit_code(lambda: shop.run("second", model={"dim": 8})) == 1
    assert "--model.change=true" in one_line(capfd.readouterr().err)
    assert shop.served().name == "products__first"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB, which only root can make."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs takes root with CAP_SYS_ADMIN")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.parametrize("full", ["work", "features"])
def test_a_full_disk_is_one_line_and_the_run_goes_on_with_more(full, small_disk, shop, listing, capfd) -> None:
    shop.write(listing, rows_per_group=10)
    place = {"work": str(small_disk)} if full == "work" else {"features": {"uri": str(small_disk)}}
    (small_disk / "ballast").write_bytes(bytes(390_000 if full == "features" else 330_000))
    assert exit_code(lambda: shop.run("a", **place)) == 1
    assert "No space left on device" in one_line(capfd.readouterr().err)
    assert shop.served() is None
    os.remove(small_disk / "ballast")
    subprocess.run(["mount", "-o", "remount,size=50m", small_disk], check=True)
    report = shop.run("a", **place)
    assert (report.embedded, len(shop.vectors())) == (N, N)
