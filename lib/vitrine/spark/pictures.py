"""A pandas UDF from pictures' bytes to vectors, for tables that only Spark can read."""

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
from pyspark.sql import Column
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import ArrayType, FloatType, StringType, StructField, StructType

from vitrine.embedding import Embedder

EMBEDDED = StructType(
    [
        StructField("vector", ArrayType(FloatType(), containsNull=False)),
        StructField("reason", StringType()),
        StructField("detail", StringType()),
    ]
)
"""What `embed` gives for a picture: a unit vector, or the reason and detail of its rejection."""


def embed(make_embedder: Callable[[], Embedder]) -> Callable[[Column], Column]:
    """A pandas UDF from a column of pictures' bytes to `EMBEDDED`, for tables that only Spark can read.

    `make_embedder` is called once a task, when its first pictures come: it should share one embedder in a process,
    as `vitrine.unit.task_engine` does.
    """

    @pandas_udf(EMBEDDED)  # type: ignore[call-overload,untyped-decorator]  # the stubs lack this form
    def embed_pictures(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        embedder = None
        for batch in batches:
            embedder = embedder or make_embedder()
            yield _embedded(embedder, batch)

    return embed_pictures  # type: ignore[no-any-return]  # a UDF is untyped


def _embedded(embedder: Embedder, pictures: pd.Series) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for batch in embedder.embed(enumerate(b"" if data is None else bytes(data) for data in pictures)):
        vectors = iter(batch.vectors)
        for reject in batch.rejects:
            if reject is None:
                rows.append({"vector": next(vectors), "reason": None, "detail": None})
            else:
                rows.append({"vector": None, "reason": str(reject.reason), "detail": reject.detail})
    return pd.DataFrame(rows, columns=EMBEDDED.names)
