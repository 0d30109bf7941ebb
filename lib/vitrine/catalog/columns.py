"""What the catalogue's columns mean, settled once for all files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import types

from vitrine.catalog.sources import shown
from vitrine.errors import BadInput
from vitrine.settings import Columns

PICTURES = ("image", "image_uri", "images", "image_uris")


@dataclass(frozen=True, slots=True)
class Layout:
    """Names of the columns by meaning; an empty name: the catalogue has none.

    `kind` says what the column `picture` holds: image, image_uri, images or image_uris. `partitions` are columns
    that stand in the files' paths.
    """

    product_id: str
    picture: str
    kind: str
    position: str
    version: str
    version_of: str
    title: str
    category: tuple[str, ...]
    brand: str
    price: str
    in_stock: str
    attributes: str
    partitions: tuple[str, ...]
    max_images: int

    @property
    def is_list(self) -> bool:
        """Whether a row holds a list of pictures."""
        return self.kind in ("images", "image_uris")

    @property
    def is_inline(self) -> bool:
        """Whether the catalogue holds the pictures' bytes, not their addresses."""
        return self.kind in ("image", "images")

    @property
    def named(self) -> frozenset[str]:
        """All columns with a meaning; the others are attributes."""
        single = (self.product_id, self.picture, self.position, self.version, self.title)
        return frozenset((*single, self.brand, self.price, self.in_stock, self.attributes, *self.category)) - {""}


def layout(columns: Columns, schema: pa.Schema, *, file: str, partitions: Sequence[str], max_images: int) -> Layout:
    """Find the meaning of the columns of one file.

    Raises:
        BadInput: a column is missing, there twice or of the wrong type; the text names it, the file and the cure.
    """
    chosen = _Chooser(columns, schema, shown(file), tuple(partitions))
    picture, kind = chosen.picture()
    is_list = kind in ("images", "image_uris")
    version, updated_at = chosen.optional("version"), chosen.optional("updated_at")
    return Layout(
        product_id=chosen.required("product_id"),
        picture=picture,
        kind=kind,
        position=chosen.no_position() if is_list else chosen.optional("position"),
        version=version or updated_at,
        version_of=columns.version_of,
        title=chosen.optional("title"),
        category=chosen.category(),
        brand=chosen.optional("brand"),
        price=chosen.optional("price"),
        in_stock=chosen.optional("in_stock"),
        attributes=chosen.optional("attributes"),
        partitions=tuple(partitions),
        max_images=max_images,
    )


def plain(kind: pa.DataType) -> pa.DataType:
    """The type of the values of a dictionary column, else the type itself."""
    return kind.value_type if types.is_dictionary(kind) else kind


def is_text(kind: pa.DataType) -> bool:
    """Whether values are strings."""
    kind = plain(kind)
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def is_scalar(kind: pa.DataType) -> bool:
    """Whether values are strings, numbers, booleans or dates, which attributes may hold."""
    kind = plain(kind)
    number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    return bool(number or is_text(kind) or types.is_boolean(kind) or types.is_date(kind) or types.is_timestamp(kind))


def is_wrapped(kind: pa.DataType) -> bool:
    """Whether values are structs with the picture in their field `bytes`, as Hugging Face writes them."""
    return bool(types.is_struct(kind) and kind.get_field_index("bytes") >= 0 and _is_bytes(kind.field("bytes").type))


def _is_bytes(kind: pa.DataType) -> bool:
    kind = plain(kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)) or is_wrapped(kind)


def _is_list_of(wanted: Callable[[pa.DataType], bool]) -> Callable[[pa.DataType], bool]:
    def check(kind: pa.DataType) -> bool:
        is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
        return bool(is_list) and wanted(kind.value_type)

    return check


def _is_moment(kind: pa.DataType) -> bool:
    return bool(types.is_timestamp(kind) or types.is_date(kind))


def _is_map(kind: pa.DataType) -> bool:
    return bool(types.is_map(kind)) and is_text(kind.key_type) and is_scalar(kind.item_type)


def _is_integer(kind: pa.DataType) -> bool:
    return bool(types.is_integer(plain(kind)))


_WANTED: dict[str, tuple[str, Callable[[pa.DataType], bool]]] = {
    "product_id": ("string or integer", lambda kind: is_text(kind) or _is_integer(kind)),
    "image": ("binary", _is_bytes),
    "image_uri": ("string", is_text),
    "images": ("list<binary>", _is_list_of(_is_bytes)),
    "image_uris": ("list<string>", _is_list_of(is_text)),
    "position": ("integer", _is_integer),
    "version": ("integer", _is_integer),
    "updated_at": ("timestamp, date or int64", lambda kind: _is_moment(kind) or _is_integer(kind)),
    "title": ("string", is_text),
    "category": ("string", is_text),
    "brand": ("string", is_text),
    "price": ("number", lambda kind: types.is_floating(kind) or types.is_decimal(kind) or _is_integer(kind)),
    "in_stock": ("bool", lambda kind: bool(types.is_boolean(kind))),
    "attributes": ("map<string, string>", _is_map),
}
_IN_PATHS = ("product_id", "version", "updated_at", "title", "category", "brand")


@dataclass(frozen=True, slots=True)
class _Chooser:
    columns: Columns
    schema: pa.Schema
    file: str
    partitions: tuple[str, ...]

    def required(self, role: str) -> str:
        name = self.optional(role)
        if not name:
            known = ", ".join(self.schema.names)
            raise BadInput(f"{self.file} has no column {role}: name it with --columns.{role}=NAME, one of {known}")
        return name

    def optional(self, role: str) -> str:
        name: str = getattr(self.columns, role)
        if self._exists(role, name):
            self._check(role, name)
            return name
        return ""

    def category(self) -> tuple[str, ...]:
        whole = self.columns.category
        names = [whole] if not whole or whole in self.schema.names else whole.split("/")
        there = tuple(name for name in names if self._exists("category", name))
        for name in there:
            self._check("category", name)
        return there

    def no_position(self) -> str:
        if self._is_mapped("position"):
            raise BadInput(f"{self.file} has lists of pictures, whose order is the position: remove --columns.position")
        return ""

    def picture(self) -> tuple[str, str]:
        claimed = {getattr(self.columns, role) for role in PICTURES if self._is_mapped(role)}
        roles = [role for role in PICTURES if self._is_mapped(role) or getattr(self.columns, role) not in claimed]
        there = [role for role in roles if self._exists(role, getattr(self.columns, role))]
        if not there:
            known = ", ".join(self.schema.names)
            wanted = " or ".join(f"--columns.{role}" for role in PICTURES)
            raise BadInput(f"{self.file} has no column of pictures: name it with {wanted}, one of {known}")
        if len(there) > 1:
            found = " and ".join(getattr(self.columns, role) for role in there)
            raise BadInput(f"{self.file} has pictures in {found}: switch one off with --columns.{there[-1]}=''")
        return self.required(there[0]), there[0]

    def _is_mapped(self, role: str) -> bool:
        name: str = getattr(self.columns, role)
        return bool(name) and name != type(self.columns).model_fields[role].default

    def _exists(self, role: str, name: str) -> bool:
        if name and (name in self.schema.names or name in self.partitions):
            return True
        if self._is_mapped(role):
            known = ", ".join((*self.schema.names, *self.partitions))
            raise BadInput(f"{self.file} has no column {name}: set --columns.{role} to one of {known}")
        return False

    def _check(self, role: str, name: str) -> None:
        if name in self.partitions:
            if role not in _IN_PATHS:
                raise BadInput(f"{self.file}: column {name} stands in the path, which cannot hold {role}")
            return
        if len(self.schema.get_all_field_indices(name)) > 1:
            raise BadInput(f"{self.file} has the column {name} more than once: write it again with distinct names")
        kind = self.schema.field(name).type
        wanted, accepts = _WANTED[role]
        empty = types.is_null(kind) and role not in ("product_id", *PICTURES)
        if not empty and not accepts(kind):
            raise BadInput(
                f"{self.file}: column {name} is {kind}, wanted {wanted} for {role}: "
                f"convert it or choose another with --columns.{role}"
            )
