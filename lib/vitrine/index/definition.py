"""A layout in pymilvus' words: the fields and indexes of a new collection."""

from typing import Any

from pymilvus import CollectionSchema, DataType, MilvusClient
from pymilvus.milvus_client.index import IndexParams

from vitrine.index.schema import VECTOR, Layout
from vitrine.settings import Milvus


def fields(layout: Layout, description: str) -> CollectionSchema:
    """The fields of a collection with that description."""
    made = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False, description=description)
    for field in layout.fields:
        options: dict[str, Any] = {"is_primary": field.name == layout.key}
        if field.kind == "VARCHAR":
            options["max_length"] = field.max_bytes
        if field.kind == "FLOAT_VECTOR":
            options["dim"] = layout.dim
        made.add_field(field.name, DataType[field.kind], **options)
    return made


def indexes(layout: Layout, milvus: Milvus) -> IndexParams:
    """The index of the vectors, by the settings, and those of other fields."""
    made = MilvusClient.prepare_index_params()
    kind, params = ("FLAT", {}) if layout.exact else (milvus.index_type, milvus.index_params)
    # pymilvus spreads `params`, Lite reads only what stays together, servers take both.
    made.add_index(VECTOR, index_type=kind, metric_type="COSINE", params={"params": params})
    # Left open, a server takes the kind that its version has for the type; Lite wants it named.
    scalar = "INVERTED" if milvus.is_lite else ""
    for field in layout.fields:
        if field.indexed:
            made.add_index(field.name, index_type=scalar)
    return made
