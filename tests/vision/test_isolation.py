"""Decoding apart gives the same pixels and outlives every picture; the faults are planted in Pillow."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from vitrine.errors import BadRecord, Unavailable
from vitrine.product import Reason
from vitrine.rendering import draw, gif, jpeg, look, png, webp
from vitrine.rendering.broken import BROKEN_PICTURES
from vitrine.settings import Pictures
from vitrine.vision.decode import decode
from vitrine.vision.isolation import DecodingProcess

FAULTY_PILLOW = Path(__file__).parents[1] / "faulty_pillow"
LIMITS = Pictures()
PICTURE = gif(draw(look(3), size=48))


@pytest.fixture(scope="module")
def decode_apart() -> Iterator[DecodingProcess]:
    """One process for all tests, whose Pillow has faults."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FAULTY_PILLOW)
        with DecodingProcess() as process:
            yield process


def turned(picture: Image.Image, kind: str, **options: object) -> bytes:
    exif = Image.Exif()
    exif[274] = 6
    out = io.BytesIO()
    picture.save(out, kind, exif=exif, **options)
    return out.getvalue()


def good() -> list[bytes]:
    wide = draw(look(5), size=90).crop((0, 10, 90, 50))
    made = [encode(wide) for encode in (jpeg, png, gif, webp)]
    made += [turned(wide.convert("CMYK"), "JPEG"), turned(wide, "JPEG", progressive=True), turned(wide, "TIFF")]
    return [*made, turned(wide.convert("RGBA"), "PNG")]


def ended(reason: Reason, process: DecodingProcess, data: bytes, limits: Pictures = LIMITS) -> str:
    with pytest.raises(BadRecord) as caught:
        process(data, limits)
    assert caught.value.reason == reason
    return caught.value.detail


@pytest.mark.parametrize("number", range(8))
def test_pixels_and_their_layout_are_the_same(decode_apart: DecodingProcess, number: int) -> None:
    data = good()[number]
    apart, here = decode_apart(data, LIMITS), decode(data, LIMITS)
    assert torch.equal(apart, here)
    assert apart.permute(1, 2, 0).is_contiguous()
    assert apart.dtype == here.dtype


@pytest.mark.parametrize("kind", sorted(BROKEN_PICTURES))
def test_a_reject_is_the_same(decode_apart: DecodingProcess, kind: str) -> None:
    data = BROKEN_PICTURES[kind](draw(look(1), size=48)) or b""
    with pytest.raises(BadRecord) as here:
        decode(data, LIMITS)
    assert ended(Reason(here.value.reason), decode_apart, data) == here.value.detail


def test_the_limits_are_those_of_the_call(decode_apart: DecodingProcess) -> None:
    assert ended(Reason.TOO_MANY_PIXELS, decode_apart, PICTURE, Pictures(max_pixels=48 * 48 - 1))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (b" segmentation fault", "signal 11, Segmentation fault"),
        (b" abort", "signal 6, Aborted"),
        (b" exit", "with status 0"),
    ],
)
def test_a_picture_that_ends_its_process_is_a_reject(decode_apart: DecodingProcess, fault: bytes, said: str) -> None:
    assert said in ended(Reason.DECODER_CRASH, decode_apart, PICTURE + fault)
    assert torch.equal(decode_apart(PICTURE, LIMITS), decode(PICTURE, LIMITS))


def test_what_an_earlier_picture_did_to_the_process_is_not_blamed_on_the_next(decode_apart: DecodingProcess) -> None:
    decode_apart(PICTURE + b" fault at the next picture", LIMITS)
    assert torch.equal(decode_apart(PICTURE, LIMITS), decode(PICTURE, LIMITS))


@pytest.mark.parametrize("fault", [b" endless loop", b" endless loop that holds the interpreter"])
def test_a_picture_without_end_is_a_reject(decode_apart: DecodingProcess, fault: bytes) -> None:
    detail = ended(Reason.DECODE_TIMEOUT, decode_apart, PICTURE + fault, Pictures(decode_timeout_s=0.5))
    assert detail == "decoding took longer than 0.5 s"
    assert torch.equal(decode_apart(PICTURE, LIMITS), decode(PICTURE, LIMITS))


def test_a_picture_that_wants_more_memory_than_its_pixels_need_is_a_reject(decode_apart: DecodingProcess) -> None:
    limits = Pictures(max_pixels=48 * 48, decode_timeout_s=200)
    detail = ended(Reason.TOO_MANY_PIXELS, decode_apart, PICTURE + b" four gigabytes", limits)
    assert detail == "no room for 48 x 48"


def test_the_largest_picture_allowed_has_the_memory_it_needs(decode_apart: DecodingProcess) -> None:
    out = io.BytesIO()
    Image.new("RGBA", (5_000, 5_000), "red").save(out, "WEBP", lossless=True, method=0)
    assert decode_apart(out.getvalue(), Pictures(max_pixels=25_000_000)).shape == (3, 5_000, 5_000)


def test_a_process_that_was_killed_is_no_reject_and_nothing_is_left_of_it() -> None:
    with DecodingProcess() as process:
        process(PICTURE, LIMITS)
        there = psutil.Process(process.pid)
        all_of_it = [there, *there.children()]
        there.kill()
        with pytest.raises(Unavailable, match="has ended with status -9: try again"):
            process(PICTURE, LIMITS)
    assert len(all_of_it) == 2
    assert psutil.wait_procs(all_of_it, timeout=60)[1] == []


def test_an_isolated_engine_gives_the_same_vectors(bundled, pictures, monkeypatch) -> None:
    monkeypatch.syspath_prepend(FAULTY_PILLOW)
    usable = [*pictures[:6], *good(), PICTURE]
    plain = list(bundled.embed(enumerate(usable)))
    with bundled.isolated() as isolated:
        apart = list(isolated.embed(enumerate([PICTURE + b" segmentation fault", b"<html>", *usable])))
    rejects = [reject.reason for batch in apart for reject in batch.rejects if reject]
    assert rejects == [Reason.DECODER_CRASH, Reason.UNSUPPORTED_FORMAT]
    here, there = (np.concatenate([batch.vectors for batch in batches]) for batches in (plain, apart))
    assert np.min(np.sum(here * there, axis=1)) >= 0.9999
