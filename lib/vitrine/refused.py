"""Pictures whose bytes no decoder takes, remembered by hash: they are refused again without being tried.

Layout: `model=<id>/refused/version=<version>/part-<uuid>.parquet` in the feature store's directory, with the columns
sha256, reason and detail; append-only. Another version of Vitrine tries them again.
"""

import logging
from collections.abc import Mapping
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from vitrine import __version__
from vitrine.product import Reason, Reject
from vitrine.storage import Directory, directory

logger = logging.getLogger(__name__)

REMEMBERED = frozenset((Reason.TRUNCATED, Reason.CORRUPT, Reason.UNSUPPORTED_FORMAT, Reason.NO_VECTOR))
"""Reasons that say what the bytes are; no limit that can be set and no shortage of memory is behind them."""

_SCHEMA = pa.schema([("sha256", pa.string()), ("reason", pa.string()), ("detail", pa.string())])


def place(features_uri: str, model_id: str) -> Directory:
    """Where the feature store at this path or URI keeps them."""
    return directory(features_uri).within(f"model={model_id}/refused/version={__version__}")


def read(place: Directory) -> dict[str, Reject]:
    """All that is remembered, by sha256; a part that cannot be read is left out."""
    found: dict[str, Reject] = {}
    for name in place.names():
        try:
            rows = pq.read_table(place.path(name), filesystem=place.filesystem, partitioning=None).to_pylist()
            found |= {row["sha256"]: Reject(Reason(row["reason"]), row["detail"]) for row in rows}
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            logger.warning("refused pictures left out name=%s error=%s", name, error)
    return found


def add(place: Directory, refused: Mapping[str, Reject]) -> None:
    """Remember pictures, by sha256."""
    if refused:
        rows = [
            {"sha256": sha256, "reason": str(reject.reason), "detail": reject.detail}
            for sha256, reject in refused.items()
        ]
        with place.output(f"part-{uuid4().hex}.parquet") as stream:
            pq.write_table(pa.Table.from_pylist(rows, _SCHEMA), stream)
