"""TIFF directories: of TIFF pictures, and of the EXIF data inside other pictures."""

import struct
from dataclasses import dataclass

from PIL.ExifTags import Base

from vitrine.errors import BadRecord
from vitrine.images.header import Header
from vitrine.product import Reason
from vitrine.settings import Pictures

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I"}
_SINGLE_TAGS = frozenset((
    Base.ImageWidth, Base.ImageLength, Base.Compression, Base.PhotometricInterpretation, Base.FillOrder,
    Base.SamplesPerPixel, Base.RowsPerStrip, Base.PlanarConfiguration, Base.T4Options, Base.T6Options, Base.Predictor,
    Base.TileWidth, Base.TileLength,
))  # fmt: skip
_LIST_TAGS = frozenset((
    Base.BitsPerSample, Base.StripOffsets, Base.StripByteCounts, Base.ColorMap, Base.TileOffsets, Base.TileByteCounts,
    Base.ExtraSamples, Base.SampleFormat, Base.JPEGTables, Base.YCbCrCoefficients, Base.YCbCrSubSampling,
    Base.ReferenceBlackWhite,
))  # fmt: skip
_COMPRESSIONS = frozenset((1, 2, 3, 4, 5, 7, 8, 32773, 32946))  # none, fax, LZW, JPEG, Deflate, PackBits


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: int
    count: int
    raw: bytes

    @property
    def size_bytes(self) -> int:
        return _TYPE_BYTES.get(self.kind, 0) * self.count


_Directory = dict[int, _Entry]


def _order(data: bytes) -> str:
    return "<" if data[:2] == b"II" else ">"


def _first_directory(data: bytes) -> _Directory:
    order = _order(data)
    (offset,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, offset)
    directory: _Directory = {}
    for start in range(offset + 2, offset + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", data, start)
        directory.setdefault(tag, _Entry(kind, values, data[start : start + 12]))
    return directory


def _integer(directory: _Directory, tag: int, order: str, *, default: int) -> int:
    entry = directory.get(tag)
    if entry is None or entry.count != 1 or entry.kind not in _INTEGERS:
        return default
    return int(struct.unpack_from(order + _INTEGERS[entry.kind], entry.raw, 8)[0])


def _orientation(directory: _Directory, order: str) -> int:
    turn = _integer(directory, Base.Orientation, order, default=1)
    return turn if 1 <= turn <= 8 else 1


def orientation(exif: bytes) -> int:
    """EXIF orientation, 1 to 8; 1 where `exif` does not say or is broken."""
    exif = exif.removeprefix(b"Exif\0\0")
    if not exif.startswith((b"II*\0", b"MM\0*")):
        return 1
    try:
        return _orientation(_first_directory(exif), _order(exif))
    except struct.error:
        return 1


def _count_directories(data: bytes, limit: int) -> int:
    order = _order(data)
    (offset,) = struct.unpack_from(order + "I", data, 4)
    frames = 0
    while offset and frames <= limit:
        (count,) = struct.unpack_from(order + "H", data, offset)
        (offset,) = struct.unpack_from(order + "I", data, offset + 2 + 12 * count)
        frames += 1
    return frames


def read(data: bytes, limits: Pictures) -> Header:
    """Header of a TIFF picture; `frames` counts up to one more than allowed.

    Raises:
        BadRecord: `unsupported_format`, `too_many_pixels`.
        struct.error: the file ends early.
    """
    order = _order(data)
    directory = _first_directory(data)
    compression = _integer(directory, Base.Compression, order, default=1)
    if compression not in _COMPRESSIONS:
        raise BadRecord(Reason.UNSUPPORTED_FORMAT, f"TIFF of compression {compression}")
    tile = tuple(_integer(directory, tag, order, default=0) for tag in (Base.TileWidth, Base.TileLength))
    if tile[0] * tile[1] > limits.max_pixels:
        raise BadRecord(Reason.TOO_MANY_PIXELS, f"TIFF tiles of {tile[0]} x {tile[1]}, at most {limits.max_pixels}")
    return Header(
        "tiff",
        _integer(directory, Base.ImageWidth, order, default=0),
        _integer(directory, Base.ImageLength, order, default=0),
        frames=_count_directories(data, limits.max_frames),
        orientation=_orientation(directory, order),
    )


def bare(data: bytes) -> bytes:
    """The first picture of a TIFF file with only the tags that its pixels need.

    Raises:
        BadRecord: `corrupt` or `truncated`, where a tag has no sensible values or they lie outside the file.
    """
    order = _order(data)
    kept = {tag: entry for tag, entry in _first_directory(data).items() if tag in _SINGLE_TAGS | _LIST_TAGS}
    for tag, entry in kept.items():
        _check(tag, entry, data)
    if sum(entry.size_bytes for entry in kept.values()) > len(data):
        raise BadRecord(Reason.CORRUPT, "the TIFF tags are larger than the file")
    padding = b"\0" * (len(data) % 2)
    start = struct.pack(order + "I", len(data) + len(padding))
    directory = struct.pack(order + "H", len(kept)) + b"".join(kept[tag].raw for tag in sorted(kept))
    return data[:4] + start + data[8:] + padding + directory + b"\0" * 4


def _check(tag: int, entry: _Entry, data: bytes) -> None:
    if not entry.size_bytes or (tag in _SINGLE_TAGS and entry.count != 1):
        raise BadRecord(Reason.CORRUPT, f"TIFF tag {tag} has {entry.count} values of type {entry.kind}")
    (offset,) = struct.unpack_from(_order(data) + "I", entry.raw, 8)
    if entry.size_bytes > 4 and offset + entry.size_bytes > len(data):
        raise BadRecord(Reason.TRUNCATED, f"TIFF tag {tag} points behind the end of the file")
