"""Pictures whose address cannot be reached just now keep the vector that is served for the same address."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vitrine.embedding import Vectors
from vitrine.index import schema
from vitrine.index.filters import where
from vitrine.index.store import MAX_ROWS, Store
from vitrine.manifest import HIT_SCHEMA, OUTCOME_SCHEMA, Manifest, with_vectors
from vitrine.product import MAX_IMAGES
from vitrine.run import Run, outcomes
from vitrine.storage import Directory

Address = tuple[str, str]
"""A product and the address of one of its pictures."""

_FIELDS = (schema.PRODUCT_ID, schema.IMAGE_URI, schema.IMAGE_SHA256, schema.VECTOR)
_PRODUCTS_PER_CALL = MAX_ROWS // MAX_IMAGES
_LONGEST_URI_BYTES = next(field.max_bytes for field in schema.PICTURE_FIELDS if field.name == schema.IMAGE_URI)


def keep_served(run: Run, done: Sequence[Manifest], store: Store, served: str) -> tuple[list[Manifest], list[str]]:
    """Give unreachable pictures what the collection `served`, of the same model, has for their product and address.

    Returns the manifests, in which those pictures now count as reused, and the files of their finished rows. The
    files of the units stay as they are.
    """
    settled, files = [], []
    for manifest in done:
        counted, rows_file = _settled(run, manifest, store, served)
        settled.append(counted)
        files += [run.rows_file(rows_file)] if rows_file else []
    return settled, files


def _settled(run: Run, manifest: Manifest, store: Store, served: str) -> tuple[Manifest, str]:
    """The manifest with what could be kept, and the name of the file of its rows, empty if there are none."""
    if not manifest.unreachable_file:
        return manifest, ""
    place = run.place
    with place.filesystem.open_input_file(place.path(manifest.unreachable_file)) as stream:
        rows = pq.read_table(stream, schema=HIT_SCHEMA).to_pylist()
    known = _served(store, served, sorted({row[schema.PRODUCT_ID] for row in rows}))
    kept = [row for row in rows if _address(row) in known]
    if not kept:
        return manifest, ""
    found = [known[_address(row)] for row in kept]
    kept = [{**row, schema.IMAGE_SHA256: sha256} for row, (sha256, _) in zip(kept, found, strict=True)]
    name = f"{manifest.unit_id}-kept-{uuid4().hex[:8]}.parquet"
    vectors = np.stack([vector for _, vector in found])
    _write(run.rows_place, f"rows/{name}", with_vectors(pa.Table.from_pylist(kept, HIT_SCHEMA), vectors))
    hashes = {row[schema.IMAGE_ID]: row[schema.IMAGE_SHA256] for row in kept}
    _write(place, f"outcomes/{name}", _noted(next(outcomes(run, [manifest])), hashes))
    reused, rejected = manifest.reused + len(kept), manifest.rejected - len(kept)
    return replace(manifest, reused=reused, rejected=rejected, outcomes_file=f"outcomes/{name}"), f"rows/{name}"


def _served(store: Store, collection: str, products: Sequence[str]) -> dict[Address, tuple[str, Vectors]]:
    """Hash and (dim,) vector of what is served for each address of the products."""
    found: dict[Address, tuple[str, Vectors]] = {}
    for start in range(0, len(products), _PRODUCTS_PER_CALL):
        some = products[start : start + _PRODUCTS_PER_CALL]
        for row in store.query(collection, where(schema.PRODUCT_ID, some), fields=_FIELDS, strong=True):
            vector = np.asarray(row[schema.VECTOR], dtype=np.float32)
            found[_address(row)] = (str(row[schema.IMAGE_SHA256]), vector)
    return {address: what for address, what in found.items() if _is_whole(address)}


def _address(row: Mapping[str, object]) -> Address:
    return str(row[schema.PRODUCT_ID]), str(row[schema.IMAGE_URI])


def _is_whole(address: Address) -> bool:
    """An address that may have been cut to its limit can be that of another picture."""
    return len(address[1].encode()) < _LONGEST_URI_BYTES - len("\U0010ffff".encode())


def _noted(found: pa.Table, hashes: Mapping[str, str]) -> pa.Table:
    """Outcomes in which the pictures of `hashes`, by image_id, were reused."""
    noted = [
        {**row, "outcome": "reused", "reason": "", "detail": "", "sha256": hashes[row["image_id"]]}
        if row["image_id"] in hashes and row["outcome"] == "rejected"
        else row
        for row in found.to_pylist()
    ]
    return pa.Table.from_pylist(noted, OUTCOME_SCHEMA)


def _write(place: Directory, name: str, table: pa.Table) -> None:
    with place.output(name) as stream:
        pq.write_table(table, stream)
