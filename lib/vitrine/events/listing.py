"""A listing event: what a seller's change says of a product, all of it."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, model_validator

from vitrine.product import MAX_PRODUCT_ID_BYTES, UNKNOWN_PRICE, Product

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


def _known_price(value: object) -> object:
    """Unknown where it is no price: as the catalogue reads it."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value
    return value if 0 <= value < float("inf") else UNKNOWN_PRICE


Int64 = Annotated[StrictInt, Field(ge=_LOWEST, le=_HIGHEST)]
Price = Annotated[float, Field(strict=True), BeforeValidator(_known_price)]


class _Stated(BaseModel):
    """Fields that are null count as not stated, unknown ones as not there."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data


class ImageRef(_Stated):
    """One picture of a product: bytes that the record carries, or that an earlier event carried, or an address."""

    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    """Hash of the bytes; declared, so it is only compared with theirs."""
    size_bytes: StrictInt = Field(default=0, ge=0)
    """How many bytes the record carries of it; 0: an earlier event since the product's last delete carried them."""
    image_uri: str | None = Field(default=None, min_length=1)
    """Address to read it from, in the place of bytes."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.sha256 is None and self.image_uri is None:
            raise ValueError("needs sha256 or image_uri")
        if self.size_bytes and (self.sha256 is None or self.image_uri is not None):
            raise ValueError("bytes need sha256 and no image_uri")
        return self


class ListingEvent(_Stated):
    """The whole present state of a product, of version 1 of the format; what is not stated has its default.

    Of a delete only product_id, version and event_us count.
    """

    schema_version: Literal[1] = 1
    """Major version of this format; a later one is refused."""
    op: Literal["upsert", "delete"]
    """Whether the product is as stated here, or is gone."""
    product_id: str = Field(min_length=1, max_length=MAX_PRODUCT_ID_BYTES)
    """Key of the product, and of the record; at most 256 bytes of UTF-8."""
    version: Int64
    """From the system of record, as in the catalogue: higher is newer."""
    event_us: Int64 = 0
    """When the change was made, in microseconds since 1970; 0: the record's own time."""
    title: str = ""
    category: str = ""
    """A path, `Apparel/Topwear/Shirts`."""
    brand: str = ""
    price: Price = UNKNOWN_PRICE
    """In the shop's currency; -1 is unknown, and so is what is negative or not finite."""
    in_stock: StrictBool = True
    attributes: dict[str, str] = {}  # pydantic copies it for each event
    images: tuple[ImageRef, ...] = ()
    """The pictures in their order: the first is position 0."""

    def product(self) -> Product:
        """What it says of the product, beside its pictures."""
        return Product(
            product_id=self.product_id,
            version=self.version,
            title=self.title,
            category=self.category,
            brand=self.brand,
            price=self.price,
            in_stock=self.in_stock,
            attributes=self.attributes,
        )


def sha256(data: bytes) -> str:
    """Hash of a picture's bytes, as events write it."""
    return hashlib.sha256(data).hexdigest()


def carried(pictures: Sequence[bytes]) -> tuple[ImageRef, ...]:
    """References to pictures whose bytes the record carries, each different picture once."""
    hashes = [sha256(data) for data in pictures]
    return tuple(
        ImageRef(sha256=computed, size_bytes=0 if computed in hashes[:position] else len(data))
        for position, (computed, data) in enumerate(zip(hashes, pictures, strict=True))
    )
