"""The fields of each kind of collection; speaks no pymilvus, so that workers stay light."""

from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

SCHEMA_VERSION = 1
JSON_MAX_BYTES = 65_536
ITEMS_MAX_BYTES = 60_000
CONSTANT_VECTOR = (1.0, 0.0)
"""What rows hold that are never searched for by vector: Milvus wants one."""

IMAGE_ID = "image_id"
PRODUCT_ID = "product_id"
POSITION = "position"
VECTOR = "vector"
VERSION = "version"
IMAGE_SHA256 = "image_sha256"
IMAGE_URI = "image_uri"
TITLE = "title"
CATEGORY = "category"
BRAND = "brand"
PRICE = "price"
IN_STOCK = "in_stock"
ATTRIBUTES = "attributes"
EVENT_US = "event_us"
INDEXED_US = "indexed_us"
DELETED = "deleted"
MISSING = "missing"
SUPPORT = "support"
POPULAR_IN = "popular_in"
POPULAR_RANK = "popular_rank"
ITEMS = "items"
INTEREST_ID = "interest_id"
USER_HASH = "user_hash"
INTEREST = "interest"
WEIGHT = "weight"


class Contents(StrEnum):
    """What a collection behind an alias holds."""

    PRODUCTS = "products"
    RELATED = "related"
    USERS = "users"


class Kind(StrEnum):
    """Types of fields, by the names that Milvus gives them."""

    VARCHAR = "VARCHAR"
    INT32 = "INT32"
    INT64 = "INT64"
    DOUBLE = "DOUBLE"
    BOOL = "BOOL"
    JSON = "JSON"
    FLOAT_VECTOR = "FLOAT_VECTOR"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a collection; `max_bytes` is given for text and JSON, `indexed` asks for a scalar index."""

    name: str
    kind: Kind
    max_bytes: int = 0
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of a collection, the first being its key; `exact` asks for an index without approximation."""

    fields: tuple[Field, ...]
    dim: int
    exact: bool = False

    @property
    def key(self) -> str:
        """Name of the key."""
        return self.fields[0].name

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all fields."""
        return tuple(field.name for field in self.fields)


PICTURE_FIELDS = (
    Field(IMAGE_ID, Kind.VARCHAR, 320),
    Field(PRODUCT_ID, Kind.VARCHAR, 256, indexed=True),
    Field(POSITION, Kind.INT32),
    Field(VECTOR, Kind.FLOAT_VECTOR),
    Field(VERSION, Kind.INT64),
    Field(IMAGE_SHA256, Kind.VARCHAR, 64),
    Field(IMAGE_URI, Kind.VARCHAR, 2048),
    Field(TITLE, Kind.VARCHAR, 1024),
    Field(CATEGORY, Kind.VARCHAR, 512),
    Field(BRAND, Kind.VARCHAR, 256),
    Field(PRICE, Kind.DOUBLE),
    Field(IN_STOCK, Kind.BOOL),
    Field(ATTRIBUTES, Kind.JSON, JSON_MAX_BYTES),
    Field(EVENT_US, Kind.INT64),
    Field(INDEXED_US, Kind.INT64),
)

LEDGER = Layout(
    (
        Field(PRODUCT_ID, Kind.VARCHAR, 256),
        Field(VERSION, Kind.INT64),
        Field(DELETED, Kind.BOOL),
        Field(MISSING, Kind.JSON, JSON_MAX_BYTES),
        Field(VECTOR, Kind.FLOAT_VECTOR),
    ),
    dim=len(CONSTANT_VECTOR),
    exact=True,
)

RELATED_FIELDS = (
    Field(PRODUCT_ID, Kind.VARCHAR, 256),
    Field(SUPPORT, Kind.INT64),
    Field(POPULAR_IN, Kind.VARCHAR, 512, indexed=True),
    Field(POPULAR_RANK, Kind.INT32),
    Field(ITEMS, Kind.JSON, ITEMS_MAX_BYTES),
    Field(VECTOR, Kind.FLOAT_VECTOR),
)

USER_FIELDS = (
    Field(INTEREST_ID, Kind.VARCHAR, 80),
    Field(USER_HASH, Kind.VARCHAR, 64, indexed=True),
    Field(INTEREST, Kind.INT32),
    Field(WEIGHT, Kind.DOUBLE),
    Field(ITEMS, Kind.JSON, ITEMS_MAX_BYTES),
    Field(VECTOR, Kind.FLOAT_VECTOR),
)


def pictures(dim: int) -> Layout:
    """Layout of a catalogue collection: one row a picture, vectors of `dim`."""
    return Layout(PICTURE_FIELDS, dim)


def layout(contents: Contents, dim: int) -> Layout:
    """Layout of a collection of that kind with vectors of `dim`."""
    fields = {Contents.PRODUCTS: PICTURE_FIELDS, Contents.RELATED: RELATED_FIELDS, Contents.USERS: USER_FIELDS}
    return Layout(fields[contents], dim, exact=contents is not Contents.PRODUCTS)


def ROW_SCHEMA(dim: int) -> pa.Schema:  # noqa: N802 (a constant of each dim)
    """Arrow schema of staged rows, which is Milvus' layout for import: the collection's fields, JSON as text."""
    types = {
        Kind.VARCHAR: pa.string(),
        Kind.INT32: pa.int32(),
        Kind.INT64: pa.int64(),
        Kind.DOUBLE: pa.float64(),
        Kind.BOOL: pa.bool_(),
        Kind.JSON: pa.string(),
        Kind.FLOAT_VECTOR: pa.list_(pa.float32()),
    }
    return pa.schema([(field.name, types[field.kind]) for field in pictures(dim).fields])
