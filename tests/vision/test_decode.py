import io
import random
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torch import Tensor

from vitrine.errors import BadRecord
from vitrine.images import open_upright
from vitrine.product import Reason
from vitrine.settings import Pictures
from vitrine.vision.decode import decode, fit, fit_many

LIMITS = Pictures()


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """A smooth coloured picture with noise on it."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(rows / 7), np.cos(columns / 5), np.sin((rows + columns) / 9)], axis=-1)
    noisy = 128 + 90 * waves + rng.normal(0, 12, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


def with_pillow(picture: Image.Image, size: int) -> Tensor:
    """The slow plain way: shorter side to `size`, then the centre."""
    shorter = min(picture.size)
    width, height = (round(side * size / shorter) for side in picture.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    return tensor(resized.crop((left, top, left + size, top + size)))


def difference(one: Tensor, other: Tensor) -> Tensor:
    assert one.shape == other.shape
    return (one.short() - other.short()).abs()


def outcome(data: bytes) -> Tensor | Reason:
    try:
        return decode(data, LIMITS)
    except BadRecord as error:
        reject = error
    assert "Warning" not in reject.detail
    assert "\n" not in reject.detail
    return Reason(reject.reason)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 2}])
@pytest.mark.parametrize("size", [(64, 48), (17, 31), (1, 1), (1, 500)])
def test_a_plain_jpeg_is_what_pillow_gives_bit_by_bit(
    mode: str, options: dict[str, object], size: tuple[int, int]
) -> None:
    data = encoded(photo(*size).convert(mode), "JPEG", **options)
    assert torch.equal(decode(data, LIMITS), tensor(open_upright(data, LIMITS)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_plain_jpeg_is_turned_as_its_exif_says(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    data = encoded(photo(40, 24), "JPEG", exif=exif)
    upright = decode(data, LIMITS)
    assert torch.equal(upright, tensor(ImageOps.exif_transpose(Image.open(io.BytesIO(data)))))
    assert upright.permute(1, 2, 0).is_contiguous()


@pytest.mark.parametrize(
    "data",
    [
        encoded(photo(20, 30).convert("CMYK"), "JPEG"),
        encoded(photo(20, 30).convert("RGBA"), "PNG"),
        encoded(photo(20, 30).quantize(8), "GIF"),
        encoded(photo(20, 30), "WEBP"),
    ],
    ids=["cmyk", "png", "gif", "webp"],
)
def test_other_pictures_come_from_pillow(data: bytes) -> None:
    picture = decode(data, LIMITS)
    assert torch.equal(picture, tensor(open_upright(data, LIMITS)))
    assert picture.shape == (3, 30, 20)
    assert picture.permute(1, 2, 0).is_contiguous()


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@given(share=st.floats(0.05, 1, exclude_max=True))
def test_a_jpeg_cut_anywhere_is_truncated(options: dict[str, object], share: float) -> None:
    data = encoded(photo(40, 30), "JPEG", **options)
    assert outcome(data[: int(len(data) * share)]) == Reason.TRUNCATED


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@given(garbage=st.binary(max_size=40))
def test_what_follows_a_jpeg_does_not_matter(options: dict[str, object], garbage: bytes) -> None:
    data = encoded(photo(40, 30), "JPEG", **options)
    assert torch.equal(decode(data + garbage, LIMITS), decode(data, LIMITS))


def test_a_picture_beyond_the_limits_is_not_decoded() -> None:
    with pytest.raises(BadRecord, match="too_many_pixels"):
        decode(encoded(photo(40, 30), "JPEG"), Pictures(max_pixels=1_199))


def test_threads_see_the_same_pixels() -> None:
    files = [encoded(photo(60, 80, seed), "JPEG") for seed in range(20)]
    alone = [fit(decode(data, LIMITS), 32) for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: fit(decode(data, LIMITS), 32), files * 5))
    assert all(torch.equal(one, other) for one, other in zip(together, alone * 5, strict=True))


@pytest.mark.parametrize("size", [96, 224])
@pytest.mark.parametrize("shape", [(400, 533), (533, 400), (640, 640), (1000, 250)])
def test_a_smaller_picture_is_pillows_up_to_rounding(shape: tuple[int, int], size: int) -> None:
    picture = photo(*shape)
    off = difference(fit(tensor(picture), size), with_pillow(picture, size))
    assert off.max() <= 1
    assert (off > 0).float().mean() < 0.01


@pytest.mark.parametrize("shape", [(60, 80), (80, 60), (1, 1), (1, 8), (3, 2), (225, 1800)])
def test_other_pictures_are_pillows_within_one_grey_level(shape: tuple[int, int]) -> None:
    picture = photo(*shape)
    assert difference(fit(tensor(picture), 96), with_pillow(picture, 96)).max() <= 1


def test_a_picture_of_the_right_size_stays_as_it_is() -> None:
    picture = tensor(photo(96, 96))
    assert torch.equal(fit(picture, 96), picture)


@given(height=st.integers(1, 300), width=st.integers(1, 300), size=st.integers(2, 64))
def test_every_picture_becomes_a_square(height: int, width: int, size: int) -> None:
    assert fit(torch.zeros(3, height, width, dtype=torch.uint8), size).shape == (3, size, size)


def test_the_layout_in_memory_does_not_change_the_pixels() -> None:
    picture = tensor(photo(150, 110))
    assert torch.equal(fit(picture, 96), fit(picture.contiguous(), 96))


@pytest.mark.parametrize("shape", [(1, 50_000), (50_000, 1), (3, 49_999)])
def test_a_picture_like_a_thread_gives_a_square_of_its_middle(shape: tuple[int, int]) -> None:
    picture = torch.zeros(3, *shape, dtype=torch.uint8)
    middle = picture.shape[1] // 2, picture.shape[2] // 2
    picture[:, max(0, middle[0] - 9) : middle[0] + 9, max(0, middle[1] - 9) : middle[1] + 9] = 200
    assert (fit(picture, 224) == 200).all()


@pytest.mark.parametrize("shape", [(30, 600), (601, 30), (31, 400)])
def test_a_long_picture_is_nearly_what_resizing_all_of_it_gives(shape: tuple[int, int]) -> None:
    rows, columns = np.mgrid[0 : shape[1], 0 : shape[0]]
    waves = (128 + 100 * np.sin((rows + columns) / 20)).astype(np.uint8)
    picture = Image.fromarray(np.stack([waves] * 3, axis=-1))
    assert difference(fit(tensor(picture), 20), with_pillow(picture, 20)).max() <= 4


@pytest.mark.parametrize("catalog", ["clothing", "fashion"])
def test_real_photos_are_decoded_and_fitted_as_pillow_does(shared_data: Path, catalog: str) -> None:
    with pq.ParquetFile(shared_data / catalog / "catalog.parquet") as file:
        photos = file.read_row_group(0, columns=["image"])["image"][:40].to_pylist()
    for data in photos:
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        assert torch.equal(decode(data, LIMITS), tensor(picture))
        off = difference(fit(decode(data, LIMITS), 96), with_pillow(picture, 96))
        assert off.max() <= 1
        assert (off > 0).float().mean() < 0.01


@pytest.mark.parametrize("size", [96, 224])
def test_real_photos_are_fitted_in_groups_as_one_by_one(shared_data: Path, size: int) -> None:
    with pq.ParquetFile(shared_data / "clothing" / "catalog.parquet") as file:
        photos = [decode(data, LIMITS) for data in file.read_row_group(0, columns=["image"])["image"][:100].to_pylist()]
    groups = defaultdict(list)
    for picture in photos:
        groups[picture.shape].append(picture)
    assert max(map(len, groups.values())) > 1
    together = torch.cat([fit_many(torch.stack(group), size) for group in groups.values()])
    alone = torch.stack([fit(picture, size) for group in groups.values() for picture in group])
    off = difference(together, alone)
    assert off.max() <= 1
    assert (off > 0).float().mean() < 0.003


@given(height=st.integers(1, 200), width=st.integers(1, 200), size=st.integers(2, 64), seed=st.integers(0, 9))
def test_any_pictures_are_fitted_in_groups_as_one_by_one(height: int, width: int, size: int, seed: int) -> None:
    dice = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8, generator=dice)
    together = fit_many(pictures, size)
    assert together.dtype == torch.uint8
    assert difference(together, torch.stack([fit(picture, size) for picture in pictures])).max() <= 2


@pytest.mark.parametrize("shape", [(1, 50_000), (50_000, 1), (3, 4_999), (4_000, 40)])
def test_pictures_like_threads_are_fitted_in_groups_as_one_by_one(shape: tuple[int, int]) -> None:
    pictures = torch.stack([tensor(photo(*shape[::-1], seed)) for seed in range(2)])
    assert difference(fit_many(pictures, 96), torch.stack([fit(picture, 96) for picture in pictures])).max() <= 1


def samples() -> list[bytes]:
    exif = Image.Exif()
    exif[274] = 6
    small, other = photo(21, 17), photo(21, 17, seed=1)
    animated = {"save_all": True, "append_images": [other]}
    return [
        encoded(small, "JPEG", exif=exif),
        encoded(small, "JPEG", progressive=True),
        encoded(small.convert("CMYK"), "JPEG"),
        encoded(small, "PNG", exif=exif, **animated),
        encoded(small.quantize(16), "PNG", transparency=3),
        encoded(Image.new("I;16", (5, 4), 30_000), "PNG"),
        encoded(small, "WEBP", exif=exif),
        encoded(small.convert("RGBA"), "WEBP", lossless=True, **animated),
        encoded(small.quantize(16), "GIF", transparency=2, **animated),
        encoded(small, "BMP"),
        encoded(small.quantize(16), "BMP"),
        encoded(small, "TIFF", exif=exif),
        encoded(small, "TIFF", compression="tiff_adobe_deflate"),
        encoded(small, "TIFF", compression="jpeg"),
    ]


SAMPLES = samples()


def overwrite(data: bytes, rng: random.Random) -> bytes:
    start = rng.choice((rng.randrange(len(data)), rng.randrange(min(60, len(data)))))
    new = rng.choice((rng.randbytes(1), rng.randbytes(4), b"\0", b"\xff\xff\xff\xff", b"\xff\xda", b"\x7f\xff"))
    return data[:start] + new + data[start + len(new) :]


def cut(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.choice((1, 8, len(data))) :]


def splice(data: bytes, rng: random.Random) -> bytes:
    other, start = rng.choice(SAMPLES), rng.randrange(len(data))
    first = rng.randrange(len(other))
    return data[:start] + other[first : first + rng.randrange(1, 64)] + data[start:]


DAMAGES: list[Callable[[bytes, random.Random], bytes]] = [overwrite, overwrite, overwrite, cut, splice]


@pytest.mark.parametrize("kind", range(len(SAMPLES)))
@settings(max_examples=200)
@given(rng=st.randoms(use_true_random=True), times=st.integers(1, 4))
def test_damaged_pictures_are_tensors_or_rejects(kind: int, rng: random.Random, times: int) -> None:
    data = SAMPLES[kind]
    for _ in range(times):
        data = rng.choice(DAMAGES)(data or b"\0", rng)
    result = outcome(data)
    if isinstance(result, Tensor):
        assert result.dtype == torch.uint8
        assert fit(result, 16).shape == (3, 16, 16)
