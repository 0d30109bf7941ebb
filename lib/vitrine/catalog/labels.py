"""Labels: what alike products share, as a catalogue says it."""

import hashlib

from vitrine.product import Product

JOINED = "+"
"""Between columns that make one label together: `article_type+base_colour`."""


def label(product: Product, name: str) -> str:
    """What the catalogue says of a product by that name, empty where it says nothing, or of a joined one not all.

    A name is `product_id`, `category`, `brand` or an attribute, or several joined by +.
    """
    parts = [_one(product, part) for part in name.split(JOINED)]
    return " ".join(parts) if all(parts) else ""


def is_held_out(product_id: str, share: float) -> bool:
    """Whether a product belongs to a random share of all products: the same answer for the same product, always.

    A larger share holds a smaller one; a tenth is those whose md5 ends in 0 as a decimal number.
    """
    number = int(hashlib.md5(product_id.encode(), usedforsecurity=False).hexdigest(), 16)
    return float(f"0.{str(number)[::-1]}") < share


def _one(product: Product, name: str) -> str:
    if name in ("product_id", "category", "brand"):
        return str(getattr(product, name))
    return product.attributes.get(name, "")
