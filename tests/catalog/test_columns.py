import pyarrow as pa
import pytest

from vitrine.catalog.columns import Layout, layout
from vitrine.errors import BadInput
from vitrine.settings import Columns

PLAIN = {"product_id": pa.string(), "image": pa.binary()}
PATH = "shop/catalog.parquet"


def found(types: dict[str, pa.DataType], *, partitions: tuple[str, ...] = (), **names: str) -> Layout:
    columns = Columns.model_validate(names)
    return layout(columns, pa.schema(types), file=PATH, partitions=partitions, max_images=32)


def complaint(types: dict[str, pa.DataType], *, partitions: tuple[str, ...] = (), **names: str) -> str:
    with pytest.raises(BadInput) as raised:
        found(types, partitions=partitions, **names)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_columns_are_found_under_their_default_names() -> None:
    mapped = found({**PLAIN, "title": pa.string(), "price": pa.float64(), "brand": pa.string()})
    assert (mapped.product_id, mapped.picture, mapped.kind) == ("product_id", "image", "image")
    assert (mapped.title, mapped.price, mapped.brand, mapped.in_stock) == ("title", "price", "brand", "")


def test_settings_name_other_columns() -> None:
    mapped = found({"sku": pa.int64(), "photo": pa.binary(), "name": pa.string()}, **MAPPED)
    assert (mapped.product_id, mapped.picture, mapped.title) == ("sku", "photo", "name")


MAPPED = {"product_id": "sku", "image": "photo", "title": "name"}


def test_several_columns_become_the_category_path() -> None:
    mapped = found({**PLAIN, "a": pa.string(), "b": pa.string()}, category="a/b")
    assert mapped.category == ("a", "b")


def test_a_category_column_may_have_a_slash_in_its_name() -> None:
    assert found({**PLAIN, "a/b": pa.string()}, category="a/b").category == ("a/b",)


def test_a_column_that_was_mapped_must_exist() -> None:
    said = complaint({**PLAIN, "name": pa.string()}, title="naem")
    assert "naem" in said
    assert "--columns.title" in said
    assert "name" in said
    assert PATH in said


def test_each_level_of_a_category_path_must_exist() -> None:
    assert "nowhere" in complaint({**PLAIN, "a": pa.string()}, category="a/nowhere")


def test_an_empty_name_switches_an_optional_column_off() -> None:
    assert found({**PLAIN, "version": pa.string()}, version="").version == ""


@pytest.mark.parametrize("missing", ["product_id", "image"])
def test_ids_and_pictures_are_required(missing: str) -> None:
    types = {name: kind for name, kind in PLAIN.items() if name != missing}
    said = complaint({**types, "other": pa.string()})
    assert f"--columns.{missing}" in said
    assert "other" in said


def test_two_columns_of_pictures_are_one_too_many() -> None:
    types = {**PLAIN, "image_uri": pa.string()}
    assert "--columns.image_uri=''" in complaint(types)
    assert found(types, image_uri="").kind == "image"


def test_a_column_claimed_for_addresses_is_not_taken_for_bytes_by_its_name() -> None:
    assert found({"product_id": pa.string(), "image": pa.string()}, image_uri="image").kind == "image_uri"


TEXTS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]


@pytest.mark.parametrize("kind", [*TEXTS, pa.int8(), pa.uint64(), pa.dictionary(pa.int8(), pa.int64())], ids=str)
def test_an_id_may_be_any_text_or_integer(kind: pa.DataType) -> None:
    assert found({**PLAIN, "product_id": kind}).product_id == "product_id"


HUGGING_FACE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view(), HUGGING_FACE], ids=str)
def test_pictures_may_be_any_bytes_alone_or_in_lists(kind: pa.DataType) -> None:
    assert found({"product_id": pa.string(), "image": kind}).kind == "image"
    assert found({"product_id": pa.string(), "images": pa.list_(kind)}).kind == "images"
    assert found({"product_id": pa.string(), "images": pa.large_list(kind)}).kind == "images"


@pytest.mark.parametrize(
    ("column", "kind", "wanted"),
    [
        ("product_id", pa.float64(), "string or integer"),
        ("product_id", pa.null(), "string or integer"),
        ("image", pa.int64(), "binary"),
        ("image", pa.string(), "binary"),
        ("image", pa.list_(pa.binary()), "binary"),
        ("position", pa.float32(), "integer"),
        ("version", pa.string(), "integer"),
        ("updated_at", pa.string(), "timestamp, date or int64"),
        ("updated_at", pa.time32("s"), "timestamp, date or int64"),
        ("title", pa.binary(), "string"),
        ("category", pa.int32(), "string"),
        ("brand", pa.list_(pa.string()), "string"),
        ("price", pa.string(), "number"),
        ("in_stock", pa.int8(), "bool"),
        ("attributes", pa.string(), "map<string, string>"),
        ("attributes", pa.map_(pa.int64(), pa.string()), "map<string, string>"),
    ],
)
def test_a_wrong_type_is_told_with_column_type_wanted_types_and_file(
    column: str, kind: pa.DataType, wanted: str
) -> None:
    said = complaint({**PLAIN, column: kind})
    assert f"column {column} is {kind}, wanted {wanted}" in said
    assert PATH in said


def test_an_optional_column_without_any_value_has_any_type() -> None:
    assert found({**PLAIN, "price": pa.null(), "version": pa.null()}).price == "price"


def test_the_version_is_the_column_version_else_updated_at() -> None:
    types = {**PLAIN, "updated_at": pa.timestamp("ms")}
    assert found(types).version == "updated_at"
    assert found({**types, "version": pa.int64()}).version == "version"


def test_lists_number_their_pictures_themselves() -> None:
    types = {"product_id": pa.string(), "images": pa.list_(pa.binary()), "position": pa.int32(), "rank": pa.int32()}
    assert found(types).position == ""
    assert "--columns.position" in complaint(types, position="rank")


def test_a_column_may_stand_in_the_path() -> None:
    mapped = found(PLAIN, partitions=("category", "day"), updated_at="day")
    assert (mapped.category, mapped.version) == (("category",), "day")


def test_a_path_cannot_hold_numbers() -> None:
    assert "price" in complaint(PLAIN, partitions=("price",))


def test_a_column_that_is_there_twice_is_refused() -> None:
    with pytest.raises(BadInput, match="title more than once"):
        layout(
            Columns(),
            pa.schema([*pa.schema(PLAIN), pa.field("title", pa.string()), pa.field("title", pa.string())]),
            file=PATH,
            partitions=(),
            max_images=32,
        )
