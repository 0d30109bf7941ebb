"""Which addresses need a key, and which take a place."""

from enum import Enum

_FREE = frozenset({"/", "/about", "/live", "/ready", "/openapi.json"})
METRICS = "/metrics"
THUMBS = "/thumbs/"
STATIC = "/static/"
PRODUCTS = "/products/"
IMAGES = "/images/"


class Work(Enum):
    """What an address costs."""

    NONE = "none"
    """Answered from memory."""
    SHOWING = "showing"
    """Reads a small file."""
    ASKING = "asking"
    """Embeds or searches."""


def needs_key(path: str, *, open_metrics: bool) -> bool:
    """Whether an address is answered only with a key: all are, but for the page, its pictures and the probes."""
    if path == METRICS:
        return not open_metrics
    return path not in _FREE and not path.startswith((STATIC, THUMBS))


def work_of(path: str) -> Work:
    """What an address costs; one that does not exist counts as the dearest."""
    if path in _FREE or path == METRICS:
        return Work.NONE
    return Work.SHOWING if path.startswith((STATIC, THUMBS)) else Work.ASKING
