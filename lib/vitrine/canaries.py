"""Canaries: pictures of a run whose vectors are had a second time, by another way than the rows that were loaded."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vitrine import catalog, samples
from vitrine.embedding import Embedder, Vectors
from vitrine.errors import GateFailed
from vitrine.features import FeatureStore, lookup
from vitrine.index.gates import CANARIES
from vitrine.manifest import Manifest
from vitrine.run import Run
from vitrine.settings import Pictures


@dataclass(frozen=True, slots=True)
class Drawing:
    """Up to `n` pictures of a run, the same ones for the same run."""

    run: Run
    done: Sequence[Manifest]
    n: int

    def embedded_again(
        self, plan: catalog.Plan, limits: Pictures, make_embedder: Callable[[], Embedder]
    ) -> dict[str, Vectors]:
        """Pictures that the run embedded, embedded again, each alone: (dim,) vectors by image_id.

        Pictures that cannot be read any more, or are others by now, are left out. `make_embedder` is called only if
        there are some.

        Raises:
            GateFailed: a picture that was embedded is refused now.
        """
        drawn = samples.draw(self.run, self.done, "embedded", self.n)
        hashes = {one.image_id: one.sha256 for one in drawn}
        read = samples.read_pictures(plan, drawn, limits)
        same = {key: data for key, data in read.items() if hashlib.sha256(data).hexdigest() == hashes[key]}
        embedder = make_embedder() if same else None
        return {key: _alone(embedder, key, data) for key, data in same.items()} if embedder else {}

    def stored(self, features: FeatureStore) -> dict[str, Vectors]:
        """Pictures that the run reused, with what the feature store has for their hashes."""
        drawn = samples.draw(self.run, self.done, "reused", self.n)
        vectors = lookup(features, [one.sha256 for one in drawn])
        return {one.image_id: vectors[one.sha256] for one in drawn if one.sha256 in vectors}


def _alone(embedder: Embedder, key: str, data: bytes) -> Vectors:
    (batch,) = embedder.embed([(key, data)])
    reject = batch.rejects[0]
    if reject is not None:
        raise GateFailed(CANARIES, f"{key}, embedded again, is rejected: {reject.reason} {reject.detail}")
    vector: Vectors = batch.vectors[0]
    return vector
