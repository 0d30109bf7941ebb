"""Mutated pictures are decoded or rejected; none kills its decoder, takes too long or too much memory, or warns."""

import random
import re
from collections import Counter
from pathlib import Path

import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostile.mutations import mutated, samples
from vitrine.errors import BadRecord
from vitrine.images import inspect
from vitrine.product import Reason
from vitrine.settings import Pictures
from vitrine.vision.decode import fit
from vitrine.vision.isolation import DecodingProcess

LIMITS = Pictures(max_pixels=1_000_000, max_frames=100)
MOST_BYTES = 150_000_000
"""32 for each pixel allowed, the sizes of malloc's arenas, and some room."""


def outcome(decode: DecodingProcess, data: bytes) -> str:
    try:
        picture = decode(data, LIMITS)
    except BadRecord as error:
        return str(Reason(error.reason))
    header = inspect(data, LIMITS)
    assert sorted(picture.shape[1:]) == sorted((header.height, header.width))
    assert (picture.dtype, picture.shape[0]) == (torch.uint8, 3)
    assert fit(picture, 16).shape == (3, 16, 16)
    return "decoded"


def memory_bytes(process: psutil.Process, which: str) -> int:
    """Present (VmRSS) or highest (VmHWM) memory of a process."""
    found = re.search(rf"{which}:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def assert_harmless(examples: int, capfd: pytest.CaptureFixture[str]) -> None:
    found: Counter[str] = Counter()
    with DecodingProcess() as decode:
        outcome(decode, samples()[0])
        (fork,) = psutil.Process(decode.pid).children()
        before = memory_bytes(fork, "VmRSS")

        @settings(max_examples=examples, derandomize=True, database=None, deadline=None)
        @given(st.randoms(use_true_random=False))
        def one(chance: random.Random) -> None:
            what = outcome(decode, mutated(chance))
            found[what] += 1
            assert what not in (Reason.DECODER_CRASH, Reason.DECODE_TIMEOUT)

        one()
        assert memory_bytes(fork, "VmHWM") - before < MOST_BYTES
    assert re.findall(r"\w+Warning: .*", capfd.readouterr().err) == []
    assert found.total() >= examples
    assert found.keys() >= {"decoded", Reason.CORRUPT, Reason.TRUNCATED, Reason.UNSUPPORTED_FORMAT}
    assert 0.2 < found["decoded"] / found.total() < 0.8


def test_300_mutated_pictures_do_no_harm(capfd) -> None:
    assert_harmless(300, capfd)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_10_000_mutated_pictures_do_no_harm(capfd) -> None:
    assert_harmless(10_000, capfd)
