"""The words of the shop: products, the keys of their pictures, versions, and reasons of rejection."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from vitrine.errors import BadRecord

MAX_IMAGES = 32
MAX_PRODUCT_ID_BYTES = 256
UNKNOWN_PRICE = -1.0


class Reason(StrEnum):
    """Why a picture or row cannot be used; stored with the reject."""

    MISSING = "missing"  # no bytes and no address, or nothing at the address
    FETCH_FAILED = "fetch_failed"  # the address cannot be reached just now
    FORBIDDEN_ADDRESS = "forbidden_address"  # outside the allowed prefixes
    HASH_MISMATCH = "hash_mismatch"
    IMAGE_UNAVAILABLE = "image_unavailable"
    TOO_LARGE = "too_large"  # more bytes than allowed
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_MANY_FRAMES = "too_many_frames"
    TOO_MANY_SCANS = "too_many_scans"
    TOO_MANY_IMAGES = "too_many_images"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    DECODER_CRASH = "decoder_crash"
    DECODE_TIMEOUT = "decode_timeout"
    NO_VECTOR = "no_vector"  # the network's answer is zero or not finite
    NO_ID = "no_id"
    ID_TOO_LONG = "id_too_long"
    BAD_POSITION = "bad_position"
    BAD_EVENT = "bad_event"  # no JSON, or a field is missing or of another type
    UNKNOWN_SCHEMA = "unknown_schema"  # a later major version of the event
    UNKNOWN_OP = "unknown_op"
    NO_VERSION = "no_version"
    KEY_MISMATCH = "key_mismatch"  # the record's key is not the event's product
    SIZE_MISMATCH = "size_mismatch"  # the record holds more or fewer bytes than its pictures are said to have


@dataclass(frozen=True, slots=True)
class Reject:
    """A picture that cannot be used: its reason and, for people, what exactly was wrong."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Product:
    """What a shop says of a product, beside its pictures."""

    product_id: str
    version: int = 0
    title: str = ""
    category: str = ""  # a path, `Apparel/Topwear/Shirts`
    brand: str = ""
    price: float = UNKNOWN_PRICE
    in_stock: bool = True
    attributes: dict[str, str] = field(default_factory=dict)


def check_product_id(product_id: str | None) -> str:
    """Return `product_id` if it can be part of a key.

    Raises:
        BadRecord: `no_id` if it is empty, `id_too_long` above 256 bytes of UTF-8.
    """
    if not product_id:
        raise BadRecord(Reason.NO_ID, "product_id is empty")
    size_bytes = len(product_id.encode("utf-8", "surrogatepass"))
    if size_bytes > MAX_PRODUCT_ID_BYTES:
        raise BadRecord(Reason.ID_TOO_LONG, f"{size_bytes} bytes, at most {MAX_PRODUCT_ID_BYTES}")
    return product_id


def counted(reasons: Mapping[str, int]) -> str:
    """Reasons and how often they came, for people."""
    return ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items())) or "none"


def image_id(product_id: str, position: int) -> str:
    """Key of a picture: `product_id/position`."""
    return f"{product_id}/{position}"


def split_image_id(key: str) -> tuple[str, int]:
    """Inverse of `image_id`; the last slash divides, so product ids may hold slashes.

    Raises:
        ValueError: the key is not of that form.
    """
    product_id, slash, position = key.rpartition("/")
    if not slash or not position.isascii() or not position.isdigit() or (position[0] == "0" and position != "0"):
        raise ValueError(f"not an image id: {key!r}")
    return product_id, int(position)


def is_stale(version: int, than: int) -> bool:
    """Whether a statement of `version` must not replace one of version `than`.

    Stale means lower; an equal version is applied again, which changes nothing.
    """
    return version < than


def deletion_wins(version: int, deleted_at: int) -> bool:
    """Whether a product stated at `version` stays deleted by a delete of version `deleted_at`.

    Of two equal versions the delete wins.
    """
    return version <= deleted_at
