"""The intake of a unit: every picture is read once and sorted into what is known, unusable, or still to be embedded."""

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vitrine import catalog, fetch
from vitrine.errors import BadRecord
from vitrine.features import Known
from vitrine.images import inspect
from vitrine.index import rows as index_rows
from vitrine.product import Reason, Reject, image_id
from vitrine.settings import Pictures, Thumbnails
from vitrine.vision.overlap import ordered_map

_FETCH_BUFFER_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class UnitJob:
    """What all units of a run share; sent to the executors.

    `rows_directory` takes finished rows, `run_directory` everything else.
    `event_us` is the moment the catalogue shows, `indexed_us` the moment the run began, in microseconds since 1970.
    No thumbnails are made without settings of them.
    """

    run_directory: str
    rows_directory: str
    layout: catalog.Layout
    pictures: Pictures
    dim: int
    event_us: int
    indexed_us: int
    thumbnails: Thumbnails | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A picture that waits for its vector; its bytes have gone on."""

    picture: catalog.Picture
    sha256: str


@dataclass(slots=True)
class Intake:
    """Sorts the pictures of one unit as they are read.

    `known` holds the sha256 digests of stored vectors, `refused` what is remembered of bytes that no decoder takes;
    `show` is given the hash and bytes of every picture that has a vector or may get one.
    `rows` counts the pictures read, `catalog_rows` are the rows that they stand in, by file. `outcomes` are rows
    of `manifest.OUTCOME_SCHEMA`, `cuts` are the numbers of texts cut, row by row; `hits` and `unreachable` are rows
    without vectors. Two threads fill these: the one that reads and the one that takes vectors.
    """

    job: UnitJob
    known: Known
    refused: Mapping[str, Reject]
    show: Callable[[str, bytes], None] = lambda _sha256, _data: None
    rows: int = 0
    catalog_rows: set[tuple[str, int]] = field(default_factory=set)
    duplicates: int = 0
    cuts: list[int] = field(default_factory=list)
    size_bytes: int = 0
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    hits: list[dict[str, Any]] = field(default_factory=list)
    unreachable: list[dict[str, Any]] = field(default_factory=list)

    def to_embed(self, pictures: Iterable[catalog.Picture]) -> Iterator[tuple[Candidate, bytes]]:
        """The pictures that need a vector, with their bytes; all others are noted as they pass."""
        for picture, content in self._loaded(pictures):
            self.rows += 1
            self.catalog_rows.add((picture.file, picture.row))
            if picture.duplicate:
                self.duplicates += 1
            elif isinstance(content, Reject):
                self._set_aside(picture, content)
            else:
                self.size_bytes += len(content)
                digest = hashlib.sha256(content)
                candidate = Candidate(replace(picture, data=None), digest.hexdigest())
                if digest.digest() in self.known:
                    self.show(candidate.sha256, content)
                    self.hits.append(self.row(candidate))
                    self.note(candidate, "reused")
                elif reject := self._refusal(candidate, content):
                    self.note(candidate, "rejected", reject=reject)
                else:
                    self.show(candidate.sha256, content)
                    yield candidate, content

    def _loaded(self, pictures: Iterable[catalog.Picture]) -> Iterator[tuple[catalog.Picture, bytes | Reject]]:
        limits = self.job.pictures
        load = functools.partial(self._load, fetch.shared(limits))
        if self.job.layout.is_inline:
            return map(load, pictures)
        threads, budget = limits.fetch_threads, _FETCH_BUFFER_BYTES
        size_bytes = _assumed_bytes(limits)
        return ordered_map(load, pictures, size_of=lambda _: size_bytes, threads=threads, budget_bytes=budget)

    def _load(self, fetcher: fetch.Fetcher, picture: catalog.Picture) -> tuple[catalog.Picture, bytes | Reject]:
        if picture.duplicate:
            return picture, b""
        if picture.reject is not None:
            return picture, picture.reject
        if picture.data is not None:
            return picture, picture.data
        try:
            return picture, fetcher.read(picture.uri)
        except BadRecord as error:
            return picture, Reject(Reason(error.reason), error.detail)

    def _refusal(self, candidate: Candidate, data: bytes) -> Reject | None:
        """Why these bytes need not be tried, so that a run in which nothing is new builds no engine."""
        try:
            inspect(data, self.job.pictures)
        except BadRecord as error:
            return Reject(Reason(error.reason), error.detail)
        return self.refused.get(candidate.sha256)

    def _set_aside(self, picture: catalog.Picture, reject: Reject) -> None:
        without_hash = Candidate(picture, "")
        self.note(without_hash, "rejected", reject=reject)
        if reject.reason is Reason.FETCH_FAILED:
            self.unreachable.append(self.row(without_hash))

    def row(self, candidate: Candidate) -> dict[str, Any]:
        """The Milvus row of a picture, without its vector; counts the texts that had to be cut."""
        picture = candidate.picture
        values, cut = index_rows.row(
            picture.product,
            picture.position,
            sha256=candidate.sha256,
            uri=picture.uri,
            event_us=self.job.event_us,
            indexed_us=self.job.indexed_us,
        )
        self.cuts.append(cut)
        return values

    def note(self, candidate: Candidate, outcome: str, *, reject: Reject | None = None) -> None:
        """Write down what became of a picture: embedded, reused or rejected."""
        picture = candidate.picture
        self.outcomes.append(
            {
                "image_id": image_id(picture.product.product_id, picture.position),
                "product_id": picture.product.product_id,
                "position": picture.position,
                "version": picture.product.version,
                "outcome": outcome,
                "reason": str(reject.reason) if reject else "",
                "detail": reject.detail if reject else "",
                "sha256": candidate.sha256,
                "image_uri": picture.uri,
                "file": picture.file,
                "row": picture.row,
            }
        )


def _assumed_bytes(limits: Pictures) -> int:
    """What a picture that is still to be read is taken for: its size is known only when its bytes are here.

    Pictures are far smaller than their limit. If all are as large, those in flight hold eight times the buffer, or one
    picture a thread.
    """
    return min(limits.max_bytes // 8 + 1, _FETCH_BUFFER_BYTES // limits.fetch_threads)
