"""Settings of what comes in: the catalogue's columns, and what a picture may be."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from vitrine.settings.section import Section


class Columns(Section):
    """Which columns of the catalogue mean what; an empty name: the catalogue has none."""

    product_id: str = "product_id"
    """Column of the product's key (string or integer)."""
    image: str = "image"
    """Column of one picture's bytes."""
    image_uri: str = "image_uri"
    """Column of one picture's address."""
    images: str = "images"
    """Column of a list of pictures' bytes; positions count from 0."""
    image_uris: str = "image_uris"
    """Column of a list of pictures' addresses; positions count from 0."""
    position: str = "position"
    """Column of the picture's position within its product; without it every row is position 0."""
    version: str = "version"
    """Column of the product's version (int64, higher is newer)."""
    version_of: Literal["product", "picture"] = "product"
    """`product` keeps only rows of a product's highest version, `picture` the highest of each position."""
    updated_at: str = "updated_at"
    """Column of the time of the last change; the version where there is no version column."""
    title: str = "title"
    """Column of the title."""
    category: str = "category"
    """Column of the category path; several joined by / become the path."""
    brand: str = "brand"
    """Column of the brand."""
    price: str = "price"
    """Column of the price, in the shop's currency."""
    in_stock: str = "in_stock"
    """Column that says whether the product can be bought."""
    attributes: str = "attributes"
    """Column of a map of further attributes; columns with no other meaning are added to it."""


class Pictures(Section):
    """What a picture may be; checked before it is decoded."""

    max_bytes: int = Field(default=20_000_000, ge=1)
    """Largest picture file, in bytes."""
    max_pixels: int = Field(default=50_000_000, ge=1, le=89_478_485)  # Pillow refuses more by itself
    """Largest picture, in pixels."""
    max_frames: int = Field(default=1_000, ge=1)
    """Most frames of an animation; only the first is used."""
    max_scans: int = Field(default=100, ge=1)
    """Most scans of a progressive JPEG."""
    decode_timeout_s: float = Field(default=30.0, gt=0)
    """Longest time that decoding one picture may take, in seconds."""
    max_images: int = Field(default=32, ge=1, le=32)
    """Most pictures of one product."""
    prefixes: list[str] = []
    """Addresses may only start with one of these: directories, s3:// or https:// prefixes."""
    private_hosts: list[Annotated[str, StringConstraints(to_lower=True, pattern=r"^[A-Za-z0-9._:-]+$")]] = []
    """Hosts of https:// prefixes that may have private IP addresses: servers in one's own network."""
    ca_file: Path | None = None
    """PEM file of further authorities for https:// prefixes, on every machine."""
    fetch_threads: int = Field(default=16, ge=1, le=256)
    """Pictures that one process fetches at once."""
    fetch_attempts: int = Field(default=3, ge=1, le=10)
    """Most tries for one picture while its server is away or busy."""
    fetch_timeout_s: float = Field(default=30.0, gt=0, le=600)
    """Longest time for one picture over https, all tries together, in seconds."""
