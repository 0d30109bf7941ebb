"""A process ends itself when a picture takes longer to decode than it may; the faults are planted in Pillow."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

PROGRAM = """
import json, os, sys, time
from concurrent.futures import ThreadPoolExecutor
from vitrine.rendering import draw, gif, look
from vitrine.settings import Pictures
from vitrine.vision.time_limit import DecodeOrEnd

limits, picture = Pictures(decode_timeout_s=0.5), gif(draw(look(1), size=32))

def decode_all(ends):
    decode = DecodeOrEnd()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda end: decode(picture + end.encode(), limits), ends))
    time.sleep(2 * limits.decode_timeout_s)

for line in sys.stdin:
    child = os.fork()
    if not child:
        decode_all(json.loads(line))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory):
    """Has pictures with these ends decoded by two threads of a process; returns how that ended and what it said."""
    said = tmp_path_factory.mktemp("said") / "stderr"
    with (
        said.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "faulty_pillow"), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as program,
    ):

        def run(ends: Sequence[str]) -> tuple[int, str]:
            before = said.stat().st_size
            program.stdin.write(json.dumps(ends) + "\n")
            program.stdin.flush()
            return int(program.stdout.readline()), said.read_text()[before:]

        yield run


def test_pictures_within_the_limit_leave_no_timer_behind(ended) -> None:
    assert ended(["", "", "", ""]) == (0, "")


def test_a_picture_beyond_the_limit_ends_the_process_and_says_where(ended) -> None:
    status, said = ended(["", " endless loop", "", ""])
    assert status == -signal.SIGALRM
    assert 'vitrine/vision/time_limit.py", line' in said


def test_it_ends_although_the_decoder_holds_the_interpreter(ended) -> None:
    assert ended([" endless loop that holds the interpreter", ""])[0] == -signal.SIGALRM
