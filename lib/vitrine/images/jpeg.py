"""JPEG files: a walk over their markers, with libjpeg's rules."""

import re
from collections.abc import Iterator

from vitrine.errors import BadRecord
from vitrine.images import tiff
from vitrine.images.header import Header
from vitrine.product import Reason
from vitrine.settings import Pictures

_SOI, _EOI, _SOS, _APP0, _APP1, _APP14, _COM, _TEM = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xEE, 0xFE, 0x01
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BASELINE, _EXTENDED, _PROGRESSIVE, _ARITHMETIC, _ARITHMETIC_PROGRESSIVE = 0xC0, 0xC1, 0xC2, 0xC9, 0xCA
_HUFFMAN = frozenset((_BASELINE, _EXTENDED, _PROGRESSIVE))
_DECODED = _HUFFMAN | {_ARITHMETIC, _ARITHMETIC_PROGRESSIVE}
_PROFILES = frozenset(range(_APP0, _APP0 + 16)) - {_APP0, _APP14} | {_COM}
_STANDALONE = frozenset(range(0xD0, 0xD8)) | {_TEM}
_MARKER_IN_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start of its body and end, up to the first start of scan or the end of the image.

    Raises:
        IndexError: the file ends early.
    """
    position = 2
    while True:
        position = data.find(b"\xff", position)
        if position < 0:
            raise IndexError(position)
        while data[position] == 0xFF:
            position += 1
        marker = data[position]
        position += 1
        if marker in _STANDALONE or not marker:
            continue
        if marker == _EOI:
            yield marker, position, position
            return
        length = data[position] << 8 | data[position + 1]
        if length < 2 or marker == _SOI:
            raise BadRecord(Reason.CORRUPT, f"JPEG marker {marker:02x} of length {length} at byte {position}")
        yield marker, position + 2, position + length
        if marker == _SOS:
            return
        position += length


def read(data: bytes, limits: Pictures) -> Header:
    """Header of a JPEG file.

    Raises:
        BadRecord: `corrupt`, `unsupported_format`, `truncated` or `too_many_scans`.
        IndexError: the file ends early.
    """
    frame = turn = None
    for marker, start, end in _segments(data):
        if marker in _FRAMES:
            if frame is not None:
                raise BadRecord(Reason.CORRUPT, "the JPEG file has two frame headers")
            frame = (marker, *data[start : start + 6])
            if len(frame) < 7:
                raise IndexError(end)
        elif marker == _APP1 and turn is None and data.startswith(b"Exif\0\0", start):
            turn = tiff.orientation(data[start:end])
        elif marker == _SOS and frame is not None:
            if frame[0] in (_PROGRESSIVE, _ARITHMETIC_PROGRESSIVE) or data[start] < frame[6]:
                _check_scans(data, end, limits.max_scans)
            return _header(frame, turn or 1)
    raise BadRecord(Reason.CORRUPT, "the JPEG file holds no picture")


def _header(frame: tuple[int, ...], turn: int) -> Header:
    kind, bits, height_high, height_low, width_high, width_low, components = frame
    if kind not in _DECODED or bits != 8 or components not in (1, 3, 4):
        raise BadRecord(Reason.UNSUPPORTED_FORMAT, f"JPEG of kind {kind:x} with {components} components of {bits} bits")
    return Header(
        "jpeg",
        width_high << 8 | width_low,
        height_high << 8 | height_low,
        orientation=turn,
        plain=components != 4 and kind in _HUFFMAN,
    )


def _check_scans(data: bytes, position: int, max_scans: int) -> None:
    scans = 1
    while (found := _MARKER_IN_SCAN.search(data, position)) is not None:
        position = found.end()
        marker = data[position - 1]
        if marker == _EOI:
            return
        scans += marker == _SOS
        if scans > max_scans:
            raise BadRecord(Reason.TOO_MANY_SCANS, f"more than {max_scans}")
        if marker != _TEM:
            position += data[position] << 8 | data[position + 1]
    raise IndexError(position)


def bare(data: bytes) -> bytes:
    """A JPEG file without comments, EXIF, profiles and whatever else its pixels do not need."""
    kept = [b"\xff\xd8"]
    for marker, start, end in _segments(data):
        if marker == _SOS:
            kept.append(data[start - 4 :])
        elif marker not in _PROFILES:
            kept.append(data[start - 4 : end])
    return b"".join(kept)
