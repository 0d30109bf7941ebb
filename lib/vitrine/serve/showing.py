"""Where the picture of a product is shown."""

import re
from collections.abc import Collection
from importlib import resources
from urllib.parse import urlsplit

from vitrine.serve.rules import THUMBS

HASH = re.compile(r"[0-9a-f]{64}")
PLACEHOLDER_FILE = "placeholder.svg"


class Showing:
    """Addresses of small pictures: thumbnails; without them pictures of allowed origins; else a drawn placeholder."""

    def __init__(self, *, thumbnails: bool, image_origins: Collection[str]) -> None:
        self._thumbnails = thumbnails
        self._origins = frozenset(image_origins)

    def address(self, sha256: str, image_uri: str) -> str:
        """Where a browser finds the picture of that hash and address."""
        if not self._thumbnails and _origin(image_uri) in self._origins:
            return image_uri
        return f"{THUMBS}{sha256 if HASH.fullmatch(sha256) else '0' * 64}.webp"


def placeholder() -> bytes:
    """An SVG that stands for a picture which cannot be shown."""
    return resources.files(__package__).joinpath(PLACEHOLDER_FILE).read_bytes()


def _origin(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"
