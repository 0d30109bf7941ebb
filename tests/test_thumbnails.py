"""Thumbnails: where they are, what they show, and that no picture can do harm while one is made."""

import hashlib
import io
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from PIL import Image

from vitrine.errors import BadInput, BadRecord, Unavailable
from vitrine.features import KnownHashes
from vitrine.rendering import draw, gif, jpeg, look
from vitrine.settings import Pictures
from vitrine.storage import directory
from vitrine.thumbnails import Maker, Thumbnails

FAULTY_PILLOW = Path(__file__).parent / "faulty_pillow"
PICTURE = jpeg(draw(look(3), size=300))


def hashed(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digests(*pictures: bytes) -> set[bytes]:
    return {hashlib.sha256(data).digest() for data in pictures}


@pytest.fixture
def thumbnails(tmp_path: Path) -> Thumbnails:
    return Thumbnails(str(tmp_path / "thumbs"), 64)


@pytest.fixture
def made(tmp_path: Path) -> Callable[[], set[str]]:
    """Names of all files that are there, complete or not."""
    return lambda: {str(path.relative_to(tmp_path / "thumbs")) for path in (tmp_path / "thumbs").rglob("*.*")}


def opened(webp: bytes | None) -> Image.Image:
    assert webp is not None
    return Image.open(io.BytesIO(webp))


def test_a_thumbnail_is_found_by_the_hash_of_its_picture(thumbnails, made) -> None:
    sha256 = hashed(PICTURE)
    assert thumbnails.missing(sha256)
    assert thumbnails.read(sha256) is None
    thumbnails.write(sha256, PICTURE)
    assert not thumbnails.missing(sha256)
    assert made() == {f"{sha256[:2]}/{sha256}.webp"}
    picture = opened(thumbnails.read(sha256))
    assert (picture.format, picture.size, picture.mode) == ("WEBP", (64, 64), "RGB")


def test_it_shows_the_picture_upright_on_white_and_says_nothing_else(thumbnails) -> None:
    wide = Image.new("RGBA", (400, 200), (0, 0, 0, 0))
    wide.paste((200, 0, 0, 255), (0, 0, 200, 200))
    exif = Image.Exif()
    exif[274], exif[270] = 6, "where I live"
    out = io.BytesIO()
    wide.save(out, "PNG", exif=exif)
    thumbnails.write("0" * 64, out.getvalue())
    picture = opened(thumbnails.read("0" * 64))
    assert picture.size == (32, 64)
    red, white = picture.getpixel((16, 4)), picture.getpixel((16, 60))
    assert red[0] > 180 > 60 > red[1]
    assert min(white) > 245
    assert b"where I live" not in thumbnails.read("0" * 64)
    assert not picture.getexif()


def test_a_picture_that_is_smaller_keeps_its_size(thumbnails) -> None:
    thumbnails.write("0" * 64, jpeg(draw(look(3), size=20)))
    assert opened(thumbnails.read("0" * 64)).size == (20, 20)


def test_a_picture_that_cannot_be_used_has_none(thumbnails, made) -> None:
    with pytest.raises(BadRecord, match="truncated"):
        thumbnails.write("0" * 64, PICTURE[:500])
    assert made() == set()


@pytest.mark.parametrize("text", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n", "0" * 62 + "/."])
def test_a_text_that_is_no_hash_is_no_path(thumbnails, text: str) -> None:
    assert thumbnails.read(text) is None
    with pytest.raises(BadInput, match="is no sha256"):
        thumbnails.missing(text)
    with pytest.raises(BadInput, match="is no sha256"):
        thumbnails.put(text, b"")


def test_the_hashes_of_those_that_are_there_are_listed(thumbnails, tmp_path: Path) -> None:
    for sha256 in ("ff" * 32, "0a" * 32, "aa" * 32):
        thumbnails.put(sha256, b"")
    (tmp_path / "thumbs/aa/notes.txt").write_text("not one of ours")
    run = directory(str(tmp_path / "run"))
    assert thumbnails.write_known(run, "known.bin") == 3
    known = KnownHashes(run, "known.bin")
    assert [bytes.fromhex(one * 32) in known for one in ("0a", "aa", "ff", "bb")] == [True, True, True, False]


def test_a_place_that_is_not_there_yet_holds_none(thumbnails, tmp_path: Path) -> None:
    assert thumbnails.write_known(directory(str(tmp_path)), "known.bin") == 0


class Noting(Thumbnails):
    """Notes the hashes that are written."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri, 64)
        self.written: list[str] = []

    def put(self, sha256: str, webp: bytes) -> None:
        self.written.append(sha256)
        super().put(sha256, webp)


def test_a_maker_makes_what_is_missing_once(tmp_path: Path, made) -> None:
    pictures = [jpeg(draw(look(number), size=80)) for number in range(6)]
    thumbnails = Noting(str(tmp_path / "thumbs"))
    with Maker(thumbnails, digests(pictures[0]), threads=2) as maker:
        for data in [*pictures, pictures[3], b"<html>"]:
            maker.offer(hashed(data), data)
    assert maker.made == 5
    assert sorted(thumbnails.written) == sorted(map(hashed, pictures[1:]))
    assert made() == {f"{hashed(data)[:2]}/{hashed(data)}.webp" for data in pictures[1:]}


@pytest.mark.parametrize("fault", [b" segmentation fault", b" endless loop that holds the interpreter"])
def test_a_picture_that_kills_its_decoder_costs_its_own_thumbnail(thumbnails, monkeypatch, fault: bytes) -> None:
    monkeypatch.syspath_prepend(FAULTY_PILLOW)
    thumbnails.limits = Pictures(decode_timeout_s=1)
    before, after = (gif(draw(look(number), size=80)) for number in (1, 2))
    with Maker(thumbnails, set(), threads=1) as maker:
        for data in (before, before + fault, after):
            maker.offer(hashed(data), data)
    assert maker.made == 2
    assert [thumbnails.missing(hashed(data)) for data in (before, before + fault, after)] == [False, True, False]


def test_a_storage_that_takes_nothing_is_told_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with Maker(Thumbnails(str(tmp_path / "file"), 64), set(), threads=1) as maker:
        maker.offer(hashed(PICTURE), PICTURE)
    with pytest.raises(OSError, match="file"):
        _ = maker.made


def test_a_block_that_fails_leaves_no_thread_and_no_process(thumbnails) -> None:
    before = set(psutil.Process().children())
    with suppress(Unavailable), Maker(thumbnails, set(), threads=1) as maker:
        maker.offer(hashed(PICTURE), PICTURE)
        raise Unavailable("the database is away")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vitrine-thumbnail")]
    assert set(psutil.Process().children()) == before
