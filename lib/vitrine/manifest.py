"""What a unit of a reindex leaves behind: rows, an outcome for each picture, and the manifest that commits both."""

from dataclasses import dataclass

import pyarrow as pa

from vitrine.embedding import Vectors
from vitrine.features import vector_column
from vitrine.index import schema

OUTCOME_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("product_id", pa.string()),
        ("position", pa.int32()),
        ("version", pa.int64()),
        ("outcome", pa.string()),  # embedded, reused or rejected
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("sha256", pa.string()),
        ("image_uri", pa.string()),
        ("file", pa.string()),
        ("row", pa.int64()),
    ]
)

HIT_SCHEMA = pa.schema([column for column in schema.ROW_SCHEMA(1) if column.name != schema.VECTOR])
"""Rows in Milvus' import layout that still lack their vectors."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What became of one unit: rows = embedded + reused + rejected + duplicates.

    `catalog_rows` are rows of the file, `rows` pictures as they were read (a product without any is one);
    `size_bytes` is what the pictures weigh, `thumbnails` how many of those were made, `process` names the Python
    process, `runs_on` what its network ran on if it was needed. Files are names within the run's directory, empty where
    there is nothing to keep: `rows_file` finished rows, `hits_file` rows whose vectors the
    feature store holds, `unreachable_file` rows of pictures whose addresses could not be reached, `outcomes_file`
    one line a picture but for duplicates.
    """

    unit_id: str
    catalog_rows: int
    rows: int
    embedded: int
    reused: int
    rejected: int
    duplicates: int
    cut_texts: int
    forward_passes: int
    size_bytes: int
    seconds: float
    process: str
    runs_on: str
    peak_memory_bytes: int
    rows_file: str
    hits_file: str
    unreachable_file: str
    outcomes_file: str
    thumbnails: int = 0


def with_vectors(rows: pa.Table, vectors: Vectors) -> pa.Table:
    """Rows of `HIT_SCHEMA` and their (n, dim) vectors, as rows of the import layout."""
    wanted = schema.ROW_SCHEMA(vectors.shape[1])
    place = wanted.get_field_index(schema.VECTOR)
    return rows.add_column(place, wanted.field(place), vector_column(vectors))
