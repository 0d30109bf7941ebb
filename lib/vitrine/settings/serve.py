"""Settings of the HTTP service."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from vitrine.settings.section import Section


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or text != f"{parts.scheme}://{parts.netloc}":
        raise ValueError("an origin is http:// or https:// with a host and at most a port: https://shop.example")
    if any(character in parts.netloc for character in " ;,'\"@*"):
        raise ValueError("an origin names one host, without wildcards and passwords")
    return text


Origin = Annotated[str, AfterValidator(_origin)]


class Serve(Section):
    """How the service is reached, by whom, and how much it takes on."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8_000, ge=0, le=65_535)
    """Port to listen on; 0: a free one, which is told."""
    certificate_file: Path | None = None
    """Certificate of the service, in PEM with its chain: it then speaks https."""
    certificate_key_file: Path | None = None
    """Key of that certificate."""
    keys_file: Path | None = None
    """File of API keys, `NAME KEY` a line, read again when it changes; without it everybody is answered."""
    rate: float = Field(default=0.0, ge=0)
    """Most requests a second with one key; 0: as many as there are places for."""
    public_page: bool = False
    """Answer the page's visitors too, who have no key: all calls without one share `public_rate`."""
    public_rate: float = Field(default=20.0, gt=0)
    """Most requests a second of all callers without a key together."""
    open_metrics: bool = False
    """Tell /metrics without a key."""
    origins: list[Origin] = []
    """Origins of other sites whose pages may call the service (CORS)."""
    image_origins: list[Origin] = []
    """Origins whose pictures are shown by their address where there are no thumbnails."""
    picture_addresses: bool = False
    """Fetch the pictures that callers name by address, under `pictures.prefixes`."""
    max_picture_bytes: int = Field(default=10_000_000, ge=1, le=1_000_000_000)
    """Largest picture that callers may send, in bytes."""
    body_timeout_s: float = Field(default=10.0, gt=0)
    """Longest time for a body to arrive, in seconds."""
    timeout_s: float = Field(default=10.0, gt=0)
    """Longest time for an answer once the body is there, in seconds."""
    places: int = Field(default=64, ge=1, le=4_096)
    """Requests that are worked on or wait at once, each with its body in memory; the next is told to come again."""
    batch_size: int = Field(default=16, ge=1, le=1_024)
    """Most pictures of one pass through the network; a pass never waits for more of them."""
    isolate: bool = True
    """Decode in a process apart, which a hostile picture may end; one picture at a time."""
    cached_vectors: int = Field(default=10_000, ge=0)
    """Vectors of query pictures that are kept in memory, by the hash of the picture."""

    @property
    def max_body_bytes(self) -> int:
        """Largest body of a request, in bytes: a picture, its question, and the form around them."""
        return self.max_picture_bytes + 300_000

    @model_validator(mode="after")
    def _whole_certificate(self) -> "Serve":
        if (self.certificate_file is None) != (self.certificate_key_file is None):
            raise ValueError("certificate_file and certificate_key_file go together")
        if self.public_page and self.keys_file is None:
            raise ValueError("public_page is for a service with keys_file: without it everybody is answered")
        return self
