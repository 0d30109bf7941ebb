"""From a product and a picture to the row that Milvus keeps; speaks no pymilvus, so that workers stay light."""

import json
import math
from collections.abc import Mapping

from vitrine.index import schema
from vitrine.product import UNKNOWN_PRICE, Product, image_id

Row = dict[str, object]

TEXT_LIMITS = {field.name: field.max_bytes for field in schema.PICTURE_FIELDS if field.kind is schema.Kind.VARCHAR}


def row(product: Product, position: int, *, sha256: str, uri: str, event_us: int, indexed_us: int) -> tuple[Row, int]:
    """A row without its vector, and how many of its fields had to be cut to their byte limits.

    Text is cut at a character; of attributes as many as fit are kept whole. What UTF-8 cannot say becomes `?`,
    a price that is no number becomes unknown. The keys must have passed `product.check_product_id`.
    """
    texts = {
        schema.IMAGE_URI: uri,
        schema.TITLE: product.title,
        schema.CATEGORY: product.category,
        schema.BRAND: product.brand,
    }
    fitted = {name: fit(text, TEXT_LIMITS[name]) for name, text in texts.items()}
    attributes, whole = fit_attributes(product.attributes)
    cut = sum(not kept_whole for _, kept_whole in fitted.values()) + (not whole)
    built: Row = {
        schema.IMAGE_ID: image_id(product.product_id, position),
        schema.PRODUCT_ID: product.product_id,
        schema.POSITION: position,
        schema.VERSION: product.version,
        schema.IMAGE_SHA256: sha256,
        **{name: text for name, (text, _) in fitted.items()},
        schema.PRICE: product.price if math.isfinite(product.price) else UNKNOWN_PRICE,
        schema.IN_STOCK: product.in_stock,
        schema.ATTRIBUTES: attributes,
        schema.EVENT_US: event_us,
        schema.INDEXED_US: indexed_us,
    }
    return built, cut


def fit(text: str, max_bytes: int) -> tuple[str, bool]:
    """The longest beginning of `text` within `max_bytes` of UTF-8, and whether that is all of it."""
    encoded = text.encode("utf-8", "replace")
    return encoded[:max_bytes].decode("utf-8", "ignore"), len(encoded) <= max_bytes


def fit_attributes(attributes: Mapping[str, str], max_bytes: int = schema.JSON_MAX_BYTES) -> tuple[str, bool]:
    """JSON object of the attributes that fit into `max_bytes`, in their order, and whether those are all."""
    pairs: list[str] = []
    free = max_bytes - len("{}")
    for key, value in attributes.items():
        pair = f"{quoted(key)}:{quoted(value)}"
        size_bytes = len(pair.encode()) + bool(pairs)
        if size_bytes <= free:
            pairs.append(pair)
            free -= size_bytes
    return "{" + ",".join(pairs) + "}", len(pairs) == len(attributes)


def quoted(text: str) -> str:
    """A text as a JSON string; what UTF-8 cannot say becomes `?`."""
    return json.dumps(text.encode("utf-8", "replace").decode(), ensure_ascii=False)
