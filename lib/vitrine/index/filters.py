"""Filters of searches, written from typed values by one escaper: a value never becomes a rule."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vitrine.errors import BadInput, BadSettings
from vitrine.index import schema
from vitrine.index.schema import Kind

FILTERABLE: Mapping[str, type] = {
    schema.IMAGE_ID: str,
    schema.PRODUCT_ID: str,
    schema.IMAGE_SHA256: str,
    schema.CATEGORY: str,
    schema.BRAND: str,
    schema.IN_STOCK: bool,
    schema.POSITION: int,
    schema.VERSION: int,
    schema.PRICE: float,
    schema.POPULAR_IN: str,
    schema.POPULAR_RANK: int,
    schema.USER_HASH: str,
}
ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
"""All that Milvus 2.3 and Milvus Lite both read back; JSON's `\\u0001` is read by neither."""
LEVEL, AFTER_LEVEL = "/", "0"
"""What parts a category's path, and the character that sorts next to it."""
MAX_CATEGORIES = 100
MAX_BRANDS = 1_000
MAX_ATTRIBUTES = 20
MAX_ATTRIBUTE_BYTES = 1_024
_MAX_BYTES = {one.name: one.max_bytes for one in schema.PICTURE_FIELDS if one.kind is Kind.VARCHAR}

Value = str | bool | int | float


@dataclass(frozen=True, slots=True)
class Filters:
    """What a product must be to be answered; everything that is given must hold.

    A category is a path such as `Apparel/Topwear`: that category and all below it. Of several categories or brands
    one must hold. A bound of the price leaves out unknown prices. `in_stock` None takes both. `attributes` must have
    exactly these values.

    Raises:
        BadSettings: a value is out of range, too long, or no text that Milvus can keep.
    """

    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    price_min: float | None = None
    price_max: float | None = None
    in_stock: bool | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_number("categories", len(self.categories), MAX_CATEGORIES)
        _check_number("brands", len(self.brands), MAX_BRANDS)
        _check_number("attributes", len(self.attributes), MAX_ATTRIBUTES)
        for category in self.categories:
            _check_text("categories", category, _MAX_BYTES[schema.CATEGORY])
        for brand in self.brands:
            _check_text("brands", brand, _MAX_BYTES[schema.BRAND])
        for text in (*self.attributes, *self.attributes.values()):
            _check_text("attributes", text, MAX_ATTRIBUTE_BYTES)
        _check_prices(self.price_min, self.price_max)

    @property
    def expression(self) -> str:
        """The filter as Milvus reads it; empty where nothing is filtered."""
        return " and ".join(self._clauses())

    def _clauses(self) -> Iterator[str]:
        if self.categories:
            yield any_of([within_category(category) for category in self.categories])
        if self.brands:
            yield where(schema.BRAND, self.brands)
        if self.price_min is not None or self.price_max is not None:
            yield f"{schema.PRICE} >= {_literal(schema.PRICE, float(self.price_min or 0.0))}"
        if self.price_max is not None:
            yield f"{schema.PRICE} <= {_literal(schema.PRICE, float(self.price_max))}"
        if self.in_stock is not None:
            yield where(schema.IN_STOCK, self.in_stock)
        for name, value in self.attributes.items():
            yield f"{schema.ATTRIBUTES}[{_quoted(name)}] == {_quoted(value)}"


def where(field: str, value: Value | Sequence[Value]) -> str:
    """A filter: the field equals the value, or one of the values; join several with ` and `.

    Raises:
        BadInput: the field cannot be filtered by, or the value is not of its type.
    """
    if field not in FILTERABLE:
        raise BadInput(f"cannot filter by {field}: use one of {', '.join(FILTERABLE)}")
    if isinstance(value, (str, bool, int, float)):
        return f"{field} == {_literal(field, value)}"
    return f"{field} in [{', '.join(_literal(field, one) for one in value)}]"


def beyond(field: str, value: str) -> str:
    """A filter: the text of the field comes after the value, in the order of their bytes."""
    return f"{field} > {_literal(field, value)}"


def within_category(path: str) -> str:
    """A filter: the category is that of the path, or one below it.

    Texts are compared by bytes on every server, where a pattern would have to escape what no server lets it escape.
    """
    below = f"{schema.CATEGORY} >= {_quoted(path + LEVEL)} and {schema.CATEGORY} < {_quoted(path + AFTER_LEVEL)}"
    return any_of([where(schema.CATEGORY, path), f"({below})"])


def any_of(filters: Sequence[str]) -> str:
    """A filter: one of these holds; there must be one.

    It is written as a balanced tree: Milvus 2.3 refuses what is nested a hundred deep, as it reads `a or b or c`.
    """
    if len(filters) == 1:
        return filters[0]
    half = len(filters) // 2
    return f"({any_of(filters[:half])} or {any_of(filters[half:])})"


def both(first: str, second: str) -> str:
    """A filter: both hold, each a whole one; an empty one always does."""
    return f"({first}) and ({second})" if first and second else first or second


def _literal(field: str, value: Value) -> str:
    wanted = FILTERABLE[field]
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted or value in (float("inf"), float("-inf")) or value != value:
        raise BadInput(f"cannot filter {field} by {value!r}: it takes {wanted.__name__}")
    if isinstance(value, str):
        _check_unicode(field, value)
        return _quoted(value)
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _quoted(text: str) -> str:
    return f'"{text.translate(ESCAPES)}"'


def _check_unicode(field: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"cannot filter {field} by {text!r}: it is not Unicode text") from error


def _check_number(name: str, given: int, most: int) -> None:
    if given > most:
        raise BadSettings(f"filters.{name}: {given} are given, at most {most}")


def _check_text(name: str, text: str, max_bytes: int) -> None:
    if not text:
        raise BadSettings(f"filters.{name}: give text that is not empty")
    size_bytes = len(text.encode("utf-8", "surrogatepass"))
    if size_bytes > max_bytes:
        raise BadSettings(f"filters.{name}: {size_bytes} bytes, at most {max_bytes}")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise BadSettings(f"filters.{name}: a null character or half a surrogate pair is no text")


def _is_number(price: object) -> bool:
    return isinstance(price, (int, float)) and not isinstance(price, bool)


def _check_prices(low: float | None, high: float | None) -> None:
    for name, price in (("price_min", low), ("price_max", high)):
        if price is not None and not (_is_number(price) and 0 <= price <= sys.float_info.max):
            raise BadSettings(f"filters.{name}: a price is a number from 0 on")
    if low is not None and high is not None and low > high:
        raise BadSettings("filters: price_min is above price_max")
