"""How many bytes a picture may have."""

from vitrine.errors import BadRecord
from vitrine.product import Reason


def check_size(size_bytes: int, max_bytes: int) -> None:
    """Refuse a picture that has, says it has, or has so far shown more bytes than allowed.

    Raises:
        BadRecord: `too_large`.
    """
    if size_bytes > max_bytes:
        raise BadRecord(Reason.TOO_LARGE, f"{size_bytes} bytes or more, at most {max_bytes}")
