import io
import threading
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from vitrine.errors import BadRecord
from vitrine.product import Reason
from vitrine.settings import Pictures
from vitrine.vision.decode import Decode, decode, fit
from vitrine.vision.device import Cpu
from vitrine.vision.loading import Group, Load, Loader, side_by_side

SIDE = 16
LIMITS = Pictures()
SIZES = st.none() | st.tuples(st.integers(1, 5), st.integers(1, 5))


def png(height: int, width: int, seed: int = 0, **options: Any) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", **options)
    return out.getvalue()


def loaded(
    images: Sequence[bytes], *, batch_size: int = 8, load_bytes: int = 1 << 20, decode: Decode = decode
) -> list[Load[int]]:
    """All loads of the images, kept in their own size where they are not too large."""
    loader = Loader(Cpu(load_bytes=load_bytes, resizes=True), decode, LIMITS, side=SIDE, threads=3)
    return list(loader.loads(enumerate(images), batch_size=batch_size))


def stored(load: Load[int]) -> dict[int, Tensor]:
    """The picture of each key, as it lies in the buffer."""
    return {
        load.keys[member]: picture
        for group in load.groups
        for member, picture in zip(group.members, group.within(load.buffer), strict=True)
    }


@given(st.lists(SIZES, max_size=20))
def test_pictures_lie_side_by_side_without_gaps_or_overlaps(sizes: list[tuple[int, int] | None]) -> None:
    groups = side_by_side(sizes)
    buffer = torch.zeros(sum(3 * size[0] * size[1] for size in sizes if size), dtype=torch.uint8)
    for group in groups:
        assert group.within(buffer).shape == (len(group.members), 3, *group.size)
        group.within(buffer).add_(1)
    assert (buffer == 1).all()
    assert len({group.size for group in groups}) == len(groups)
    assert {member: group.size for group in groups for member in group.members} == {
        position: size for position, size in enumerate(sizes) if size
    }


@settings(max_examples=60)
@given(st.lists(st.integers(0, 12) | st.none(), max_size=40), st.integers(1, 9), st.sampled_from([300, 2_000, 1 << 20]))
def test_every_key_is_in_one_load_with_its_picture_or_its_reject(
    row: list[int | None], batch_size: int, load_bytes: int
) -> None:
    images = [b"" if side is None else png(side + 1, 13 - side, seed=side) for side in row]
    loads = loaded(images, batch_size=batch_size, load_bytes=load_bytes)
    assert [key for load in loads for key in load.keys] == list(range(len(images)))
    for load in loads:
        found = stored(load)
        for key, reject in zip(load.keys, load.rejects, strict=True):
            if row[key] is None:
                assert reject is not None
                assert reject.reason == Reason.MISSING
                assert key not in found
            else:
                picture = decode(images[key], LIMITS)
                square = picture.numel() > load_bytes // 4
                assert torch.equal(found[key], fit(picture, SIDE) if square else picture)


@settings(max_examples=60)
@given(
    st.lists(st.booleans(), min_size=1, max_size=80), st.integers(1, 5), st.sampled_from([100, 1_000, 3_000, 1 << 20])
)
def test_batches_end_when_they_are_full_and_loads_before_they_are_too_large(
    row: list[bool], batch_size: int, load_bytes: int
) -> None:
    images = [png(4, 5) if good else b"" for good in row]
    loads = loaded(images, batch_size=batch_size, load_bytes=load_bytes)
    cost = {True: len(images[row.index(True)]) + 60 if any(row) else 0, False: 0}
    costs = [sum(cost[row[key]] for key in load.keys) for load in loads]
    assert all(held <= load_bytes or len(load.keys) == 1 for load, held in zip(loads, costs, strict=True))
    for load, held, after in zip(loads, costs, loads[1:], strict=False):
        assert load.last or held + cost[row[after.keys[0]]] > load_bytes
    batches: list[list[bool]] = [[]]
    for load in loads:
        batches[-1] += [reject is None for reject in load.rejects]
        if load.last:
            batches.append([])
    assert batches.pop() == []
    for batch in batches:
        assert sum(batch) <= batch_size
        assert len(batch) <= 8 * batch_size
    for batch in batches[:-1]:
        assert sum(batch) == batch_size or len(batch) == 8 * batch_size


def test_a_device_that_does_not_resize_gets_squares() -> None:
    image = png(40, 30)
    loader = Loader(Cpu(), decode, LIMITS, side=SIDE, threads=1)
    (load,) = loader.loads([(7, image), (8, image)], batch_size=4)
    assert load.groups == (Group(0, (SIDE, SIDE), (0, 1)),)
    assert torch.equal(stored(load)[8], fit(decode(image, LIMITS), SIDE))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_has_its_place_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    image = png(20, 30, exif=exif.tobytes())
    (load,) = loaded([image])
    assert torch.equal(stored(load)[0], decode(image, LIMITS))
    assert load.groups[0].size == ((30, 20) if orientation >= 5 else (20, 30))


def test_a_picture_of_another_size_than_its_header_says_is_corrupt() -> None:
    (load,) = loaded([png(20, 30), png(30, 20)], decode=lambda data, limits: decode(png(30, 20), limits))
    assert load.rejects[0] is not None
    assert load.rejects[0].reason == Reason.CORRUPT
    assert load.rejects[0].detail == "20 x 30 pixels, 30 x 20 in its header"
    assert load.rejects[1] is None


def test_what_the_decoder_refuses_is_a_reject_in_its_place() -> None:
    def refuse(data: bytes, limits: Pictures) -> Tensor:
        if data == bad:
            raise BadRecord(Reason.DECODER_CRASH, "it died")
        return decode(data, limits)

    good, bad = png(5, 6), png(6, 5)
    (load,) = loaded([good, bad, good], decode=refuse)
    assert [reject and reject.reason for reject in load.rejects] == [None, Reason.DECODER_CRASH, None]
    assert torch.equal(stored(load)[2], decode(good, LIMITS))


def test_a_reader_is_held_by_the_bytes_of_decoded_pictures() -> None:
    image = png(50, 50)
    beyond = threading.Event()

    def endless() -> Iterator[tuple[int, bytes]]:
        for number in count():
            if number > 4 * 100_000 // 7_500 + 8:
                beyond.set()
            yield number, image

    loads = Loader(Cpu(load_bytes=100_000), decode, LIMITS, side=SIDE, threads=2).loads(endless(), batch_size=4)
    next(loads)
    assert not beyond.is_set()
    loads.close()
