"""Queries on their way to answers; what was embedded once is kept for a second try."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vitrine.client import asking, paging
from vitrine.client.answer import Answer, Embedded, Note
from vitrine.client.finding import answers
from vitrine.client.query import Query
from vitrine.client.sight import Sight
from vitrine.embedding import Vectors
from vitrine.errors import ModelMismatch
from vitrine.index.collections import Collection
from vitrine.settings import Pictures


class Search:
    """Queries asked together; `given` are the vectors of the pictures of each, where a caller has embedded them."""

    def __init__(self, queries: Sequence[Query], given: Sequence[Embedded | None], limits: Pictures) -> None:
        self._queries = queries
        self._given = given
        self._limits = limits
        self._pictures: dict[int, tuple[bytes, ...]] = {}
        self._made: dict[tuple[int, str], Vectors] = {}

    def answers(self, sight: Sight) -> list[Answer]:
        """An answer to each query, in their order.

        Raises:
            NotThere: a collection was dropped meanwhile.
        """
        targets = [target(sight, *one) for one in zip(self._queries, self._given, strict=True)]
        self._embed(sight, targets)
        asked = []
        for i, (query, collection) in enumerate(zip(self._queries, targets, strict=True)):
            cursor = paging.read(query)
            start = cursor.position if cursor else 0
            asked.append(asking.asked(sight.store, collection, query, self._vectors(i, collection), start=start))
        found = answers(sight.store, asked)
        served = sight.products().name
        return [
            replace(answer, notes=(*answer.notes, Note.PREVIOUS))
            if collection.name != served and not query.cursor
            else answer
            for answer, collection, query in zip(found, targets, self._queries, strict=True)
        ]

    def _embed(self, sight: Sight, targets: Sequence[Collection]) -> None:
        """Embed what is not yet, the pictures of all queries to one model in one go."""
        missing: defaultdict[str, list[int]] = defaultdict(list)
        for i, query in enumerate(self._queries):
            model_id = targets[i].facts.model_id
            if query.pictured and self._given[i] is None and (i, model_id) not in self._made:
                self._pictures[i] = self._pictures.get(i) or asking.pictures(query, self._limits)
                missing[model_id].append(i)
        for model_id, members in missing.items():
            data = [one for i in members for one in self._pictures[i]]
            vectors = asking.embedded(sight.embedder(targets[members[0]]), data)
            ends = np.cumsum([len(self._pictures[i]) for i in members])
            for i, part in zip(members, np.split(vectors, ends[:-1]), strict=True):
                self._made[i, model_id] = part

    def _vectors(self, i: int, collection: Collection) -> Vectors:
        given, model_id = self._given[i], collection.facts.model_id
        if given is not None:
            if given.collection.facts.model_id != model_id:
                raise ModelMismatch(collection.name, found=model_id, wanted=given.collection.facts.model_id)
            return given.vectors
        return self._made.get((i, model_id), np.empty((0, collection.facts.dim), np.float32))


def target(sight: Sight, query: Query, given: Embedded | None = None) -> Collection:
    """The collection that answers a query: the cursor's, that of the vectors, or what can be searched now.

    Raises:
        StaleCursor: the cursor is of another query or of a collection that is gone.
        ModelMismatch: what is served is of a model that is found nowhere.
    """
    if (cursor := paging.read(query)) is not None:
        return paging.pinned(sight.store, cursor, sight.answering())
    if given is not None:
        served = sight.products()
        same_model = served.facts.model_id == given.collection.facts.model_id
        return served if sight.again and same_model else given.collection
    return sight.embeddable() if query.pictured else sight.products()
