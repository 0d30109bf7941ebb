"""Between embedding and loading: what was embedded goes into the feature store, what was reused gets its vectors."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vitrine import refused
from vitrine.embedding import Vectors
from vitrine.errors import BadInput
from vitrine.features import BUCKETS, FeatureStore, vector_matrix
from vitrine.index import schema
from vitrine.index.ledger import LedgerRow, merged
from vitrine.manifest import HIT_SCHEMA, Manifest, with_vectors
from vitrine.product import Reason, Reject, deletion_wins, is_stale
from vitrine.run import Run, outcomes
from vitrine.storage import Directory

logger = logging.getLogger(__name__)

_ROWS_PER_PASS = 1_000_000
_KEYLESS = (Reason.NO_ID, Reason.ID_TOO_LONG)


def keep_features(run: Run, done: Iterable[Manifest], store: FeatureStore, dim: int) -> int:
    """Append what the units embedded to the feature store; returns how many vectors were written."""
    return store.append(_embedded(run, done, dim))


def keep_refused(run: Run, done: Iterable[Manifest], place: Directory) -> None:
    """Remember what the units found to be undecodable and was not remembered before."""
    known = refused.read(place)
    found: dict[str, Reject] = {}
    for table in outcomes(run, (one for one in done if one.rejected), ["sha256", "reason", "detail"]):
        for row in table.filter(pc.is_in(table["reason"], pa.array(sorted(refused.REMEMBERED)))).to_pylist():
            if row["sha256"] and row["sha256"] not in known:
                found[row["sha256"]] = Reject(Reason(row["reason"]), row["detail"])
    refused.add(place, found)


def _embedded(run: Run, done: Iterable[Manifest], dim: int) -> Iterator[tuple[pa.Array, Vectors]]:
    place = run.rows_place
    for manifest in done:
        if manifest.rows_file:
            with place.filesystem.open_input_file(place.path(manifest.rows_file)) as stream:
                table = pq.read_table(stream, columns=[schema.IMAGE_SHA256, schema.VECTOR])
            yield table[schema.IMAGE_SHA256].combine_chunks(), vector_matrix(table[schema.VECTOR], dim)


def join_hits(run: Run, done: Sequence[Manifest], store: FeatureStore) -> list[str]:
    """Give the reused rows their vectors, bucket by bucket; returns the finished files, paths or URIs.

    Holds at most about a million rows without vectors and one bucket of the store at a time.

    Raises:
        BadInput: the store lost a vector since the run began.
    """
    files = [run.place.path(manifest.hits_file) for manifest in done if manifest.hits_file]
    total = sum(manifest.reused for manifest in done)
    passes = -(-total // _ROWS_PER_PASS)
    width = -(-len(BUCKETS) // max(passes, 1))
    finished = []
    for start in range(0, len(BUCKETS) if files else 0, width):
        name = f"rows/reused-{BUCKETS[start]}.parquet"
        if _join(run, files, BUCKETS[start : start + width], store, name):
            finished.append(run.rows_file(name))
    return finished


def _join(run: Run, files: list[str], buckets: tuple[str, ...], store: FeatureStore, name: str) -> int:
    first, last = buckets[0], buckets[-1] + "g"
    within = (pc.field(schema.IMAGE_SHA256) >= first) & (pc.field(schema.IMAGE_SHA256) < last)
    place = run.place
    tables = [pq.read_table(file, filesystem=place.filesystem, filters=within, schema=HIT_SCHEMA) for file in files]
    hits = pa.concat_tables(tables).sort_by(schema.IMAGE_SHA256)
    if not len(hits):
        return 0
    prefixes = pc.utf8_slice_codeunits(hits[schema.IMAGE_SHA256], 0, 2)
    with run.rows_place.output(name) as stream:
        writer = None
        for bucket in pc.unique(prefixes).to_pylist():
            table = _with_stored(hits.filter(pc.equal(prefixes, bucket)), *store.bucket(bucket))
            writer = writer or pq.ParquetWriter(stream, table.schema, use_dictionary=False)
            writer.write_table(table)
        cast(pq.ParquetWriter, writer).close()
    return len(hits)


def _with_stored(hits: pa.Table, hashes: list[str], vectors: Vectors) -> pa.Table:
    places = pc.index_in(hits[schema.IMAGE_SHA256], value_set=pa.array(hashes, pa.string()))
    if places.null_count:
        lost = hits.filter(pc.is_null(places))[schema.IMAGE_SHA256][0].as_py()
        raise BadInput(f"the feature store lost the vector of picture {lost} during the run: start a new --run")
    return with_vectors(hits.combine_chunks(), vectors[places.to_numpy()])


def ledger_rows(run: Run, done: Iterable[Manifest], earlier: Iterable[LedgerRow]) -> list[LedgerRow]:
    """The new ledger: products of the catalogue that miss pictures, and what stands of the earlier ledger.

    An earlier row stands if the catalogue does not state its product or states a lower version, a delete also against
    an equal one.
    """
    known = {row.product_id: row for row in earlier}
    asked = pa.array(sorted(known), pa.string())
    missing: dict[str, list[tuple[int, str, str]]] = {}
    versions: dict[str, int] = {}
    for table in outcomes(run, done):
        lacking = pc.equal(table["outcome"], "rejected")
        for row in table.filter(pc.or_(lacking, pc.is_in(table["product_id"], asked))).to_pylist():
            versions[row["product_id"]] = row["version"]
            if row["outcome"] == "rejected" and row["reason"] not in _KEYLESS:
                what = row["sha256"] or row["image_uri"]
                missing.setdefault(row["product_id"], []).append((row["position"], what, row["reason"]))
    stated = [LedgerRow(key, versions[key], missing=tuple(sorted(lacks))) for key, lacks in missing.items()]
    standing = [row for key, row in known.items() if key not in versions or _stands(row, versions[key])]
    return merged(standing, stated)


def _stands(earlier: LedgerRow, version: int) -> bool:
    return is_stale(version, earlier.version) or (earlier.deleted and deletion_wins(version, earlier.version))
