"""Pictures decoded side by side into buffers, in threads: the way from bytes to what a device is given."""

from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import torch
from torch import Tensor

from vitrine.errors import BadRecord
from vitrine.images import Header, inspect
from vitrine.product import Reason, Reject
from vitrine.settings import Pictures
from vitrine.vision.decode import Decode, fit
from vitrine.vision.device import Device
from vitrine.vision.overlap import close, ordered_map

K = TypeVar("K")
Size = tuple[int, int]
"""Height and width in pixels."""

_CHANNELS = 3
_KEYS_PER_BATCH = 8  # a batch is also closed after this many times its size in keys, when most are rejects
_LOADS_IN_FLIGHT = 4
_LARGEST_SHARE = 4  # a picture that would take this part of a buffer is resized before it goes in


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures of one size, one after the other in a buffer; `members` are their positions in the load."""

    start: int
    size: Size
    members: tuple[int, ...]

    def within(self, buffer: Tensor) -> Tensor:
        """(n, 3, height, width), a view of the buffer's n x height x width x 3 bytes."""
        shape = (len(self.members), *self.size, _CHANNELS)
        return buffer[self.start :][: torch.Size(shape).numel()].view(shape).permute(0, 3, 1, 2)


def side_by_side(sizes: Sequence[Size | None]) -> tuple[Group, ...]:
    """Group pictures by size and give each group its place in a buffer, without gaps; None is a picture left out."""
    members: dict[Size, list[int]] = defaultdict(list)
    for position, size in enumerate(sizes):
        if size is not None:
            members[size].append(position)
    groups, start = [], 0
    for size, positions in members.items():
        groups.append(Group(start, size, tuple(positions)))
        start += _bytes(size) * len(positions)
    return tuple(groups)


@dataclass(frozen=True, slots=True)
class Load(Generic[K]):
    """Pictures that go to the device together; `last` is the last load of a batch.

    A buffer also has a place for a picture that turned out to be a reject while it was decoded: what lies there is
    not to be used.
    """

    keys: tuple[K, ...]
    rejects: tuple[Reject | None, ...]
    groups: tuple[Group, ...]
    buffer: Tensor
    last: bool


@dataclass(frozen=True, slots=True)
class _Picture(Generic[K]):
    """What its header says of a picture: rejected, or to be kept in a buffer with that size."""

    key: K
    data: bytes
    reject: Reject | None = None
    size: Size | None = None
    decoded_bytes: int = 0

    @property
    def kept_bytes(self) -> int:
        return _bytes(self.size) if self.size else 0


@dataclass(frozen=True, slots=True)
class _Task(Generic[K]):
    """One picture of a load, and its place in the buffer; None if it is rejected already."""

    load: Load[K]
    picture: _Picture[K]
    place: Tensor | None


class Loader:
    """Decodes pictures for a device, in threads; in a buffer they have their own size, or are squares of `side`.

    `decode` may be called by several threads at once.
    """

    def __init__(self, device: Device, decode: Decode, limits: Pictures, *, side: int, threads: int) -> None:
        self._device = device
        self._decode = decode
        self._limits = limits
        self._side = side
        self._threads = threads

    def loads(self, pictures: Iterable[tuple[K, bytes]], *, batch_size: int) -> Generator[Load[K], None, None]:
        """Decode pictures lazily, in order; every key comes in exactly one load.

        A batch, which is all loads up to and with a `last` one, has at most `batch_size` pictures that are no rejects.
        An error of `pictures` is raised here. Closing the generator ends its threads, and closes `pictures` if that is
        a generator.
        """
        budget_bytes = _LOADS_IN_FLIGHT * self._device.load_bytes
        tasks = self._tasks(pictures, batch_size)
        done = ordered_map(self._done, tasks, size_of=_cost_bytes, threads=self._threads, budget_bytes=budget_bytes)
        rejects: list[Reject | None] = []
        try:
            for load, reject in done:
                rejects.append(reject)
                if len(rejects) == len(load.keys):
                    yield replace(load, rejects=tuple(rejects))
                    rejects = []
        finally:
            done.close()
            close(pictures)

    def _tasks(self, pictures: Iterable[tuple[K, bytes]], batch_size: int) -> Generator[_Task[K], None, None]:
        for chosen, last in self._chosen(pictures, batch_size):
            groups = side_by_side([picture.size for picture in chosen])
            buffer = self._device.buffer(sum(picture.kept_bytes for picture in chosen))
            load = Load(tuple(picture.key for picture in chosen), (), groups, buffer, last)
            places = {
                member: place
                for group in groups
                for member, place in zip(group.members, group.within(buffer), strict=True)
            }
            for position, picture in enumerate(chosen):
                yield _Task(load, picture, places.get(position))

    def _chosen(self, pictures: Iterable[tuple[K, bytes]], batch_size: int) -> Iterator[tuple[list[_Picture[K]], bool]]:
        """The pictures of each load, and whether it is the last of its batch."""
        chosen: list[_Picture[K]] = []
        held = keys = accepted = 0
        for key, data in pictures:
            picture = self._inspected(key, data)
            size_bytes = len(data) + picture.kept_bytes
            if chosen and held + size_bytes > self._device.load_bytes:
                yield chosen, False
                chosen, held = [], 0
            chosen.append(picture)
            held, keys, accepted = held + size_bytes, keys + 1, accepted + (picture.reject is None)
            if accepted == batch_size or keys == _KEYS_PER_BATCH * batch_size:
                yield chosen, True
                chosen, held, keys, accepted = [], 0, 0, 0
        if chosen:
            yield chosen, True

    def _inspected(self, key: K, data: bytes) -> _Picture[K]:
        try:
            header = inspect(data, self._limits)
        except BadRecord as error:
            return _Picture(key, data, reject=_reject(error))
        size, square = _upright(header), (self._side, self._side)
        decoded_bytes = _bytes(size)
        kept = self._device.resizes and decoded_bytes <= self._device.load_bytes // _LARGEST_SHARE
        return _Picture(key, data, size=size if kept else square, decoded_bytes=decoded_bytes)

    def _done(self, task: _Task[K]) -> tuple[Load[K], Reject | None]:
        if task.place is None:
            return task.load, task.picture.reject
        try:
            self._put(task.picture.data, task.place)
        except BadRecord as error:
            return task.load, _reject(error)
        return task.load, None

    def _put(self, data: bytes, place: Tensor) -> None:
        picture = self._decode(data, self._limits)
        if place.shape[1:] == (self._side, self._side):
            picture = fit(picture, self._side)
        if picture.shape != place.shape:
            stated, found = (f"{width} x {height}" for _, height, width in (place.shape, picture.shape))
            raise BadRecord(Reason.CORRUPT, f"{found} pixels, {stated} in its header")
        place.copy_(picture)


def _reject(error: BadRecord) -> Reject:
    return Reject(Reason(error.reason), error.detail)


def _upright(header: Header) -> Size:
    size = header.height, header.width
    return size[::-1] if header.orientation >= 5 else size


def _bytes(size: Size) -> int:
    return size[0] * size[1] * _CHANNELS


def _cost_bytes(task: _Task[K]) -> int:
    return len(task.picture.data) + task.picture.decoded_bytes
