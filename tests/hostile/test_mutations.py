"""Mutated pictures are decoded or rejected; none kills its decoder, takes too long or too much memory, or warns."""

import re
from collections import Counter
from pathlib import Path

import psutil
import pytest
import torch

from tests.hostile.mutations import mutated
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


def outcomes(seeds: range) -> tuple[Counter[str], dict[int, str], int]:
    """How often each outcome came, seeds that killed or kept the decoder, and the memory that it took at most."""
    found: Counter[str] = Counter()
    deadly: dict[int, str] = {}
    with DecodingProcess() as decode:
        outcome(decode, mutated(seeds.start))
        (fork,) = psutil.Process(decode._process.pid).children()
        before = memory_bytes(fork, "VmRSS")
        for seed in seeds:
            what = outcome(decode, mutated(seed))
            found[what] += 1
            if what in (Reason.DECODER_CRASH, Reason.DECODE_TIMEOUT):
                deadly[seed] = what
        grown = memory_bytes(fork, "VmHWM") - before if not deadly else 0
    return found, deadly, grown


def assert_harmless(seeds: range, capfd: pytest.CaptureFixture[str]) -> None:
    found, deadly, grown = outcomes(seeds)
    assert deadly == {}
    assert grown < MOST_BYTES
    assert re.findall(r"\w+Warning: .*", capfd.readouterr().err) == []
    assert found.keys() >= {"decoded", Reason.CORRUPT, Reason.TRUNCATED, Reason.UNSUPPORTED_FORMAT}
    assert 0.2 < found["decoded"] / len(seeds) < 0.8


def test_500_mutated_pictures_do_no_harm(capfd) -> None:
    assert_harmless(range(500), capfd)


@pytest.mark.slow
def test_10_000_mutated_pictures_do_no_harm(capfd) -> None:
    assert_harmless(range(500, 10_500), capfd)
