"""Thumbnails of what streams in: one that cannot be made costs nothing else."""

from pathlib import Path

import psutil
import pytest

from streaming.thumbnailing import Thumbnailer
from vitrine.errors import BadRecord, Unavailable
from vitrine.events import sha256
from vitrine.rendering import draw, gif, look
from vitrine.settings import Pictures
from vitrine.thumbnails import Thumbnails

FAULTY_PILLOW = str(Path(__file__).parents[1] / "faulty_pillow")
PICTURE = gif(draw(look(1), size=80))


@pytest.fixture
def thumbnails(tmp_path: Path) -> Thumbnails:
    return Thumbnails(str(tmp_path / "thumbs"), 64, limits=Pictures(decode_timeout_s=1))


@pytest.fixture
def thumbnailer(thumbnails):
    thumbnailer = Thumbnailer(thumbnails)
    yield thumbnailer
    thumbnailer.close()
    assert not [one for one in psutil.Process().children() if "vitrine.images.apart" in one.cmdline()]


def test_what_is_missing_is_made_and_what_is_there_left_alone(thumbnails, thumbnailer):
    thumbnails.put("0" * 64, b"as it was")
    thumbnailer("0" * 64, PICTURE)
    thumbnailer(sha256(PICTURE), PICTURE)
    assert thumbnails.read("0" * 64) == b"as it was"
    assert thumbnails.read(sha256(PICTURE))[:4] == b"RIFF"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(b" segmentation fault", "decoder_crash"), (b" endless loop that holds the interpreter", "decode_timeout")],
)
def test_a_picture_that_kills_or_stalls_its_decoder_has_none(thumbnails, thumbnailer, monkeypatch, fault, reason):
    monkeypatch.syspath_prepend(FAULTY_PILLOW)
    deadly = PICTURE + fault
    with pytest.raises(BadRecord, match=reason):
        thumbnailer(sha256(deadly), deadly)
    thumbnailer(sha256(PICTURE), PICTURE)
    assert [thumbnails.missing(sha256(one)) for one in (deadly, PICTURE)] == [True, False]


def test_a_process_that_was_ended_is_made_anew(thumbnails, thumbnailer):
    thumbnailer(sha256(PICTURE), PICTURE)
    (process,) = (one for one in psutil.Process().children() if "vitrine.images.apart" in one.cmdline())
    process.kill()
    other = gif(draw(look(2), size=80))
    with pytest.raises(Unavailable):
        thumbnailer(sha256(other), other)
    thumbnailer(sha256(other), other)
    assert not thumbnails.missing(sha256(other))
