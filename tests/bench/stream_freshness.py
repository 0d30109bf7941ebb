"""When an upload is found, asked of Milvus by pymilvus itself as any client would: at Bounded consistency."""

import time
from contextlib import closing
from dataclasses import dataclass
from threading import Event, Lock, Thread

import numpy as np
from pymilvus import MilvusClient

from vitrine.embedding import Vectors
from vitrine.settings import Milvus

EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class _Sought:
    product_id: str
    vector: Vectors
    sent_s: float


class Searcher:
    """Searches for uploads by their vectors until each is found; use it in a `with` statement."""

    def __init__(self, milvus: Milvus) -> None:
        self.found_after_s: list[float] = []
        self._milvus = milvus
        self._lock = Lock()
        self._sought: list[_Sought] = []
        self._ended = Event()
        self._thread = Thread(target=self._search)

    def seek(self, product_id: str, vector: Vectors) -> None:
        """Look for a product that was sent just now."""
        with self._lock:
            self._sought.append(_Sought(product_id, vector, time.monotonic()))

    @property
    def lost(self) -> int:
        """How many were not found so far."""
        return len(self._sought)

    def __enter__(self) -> "Searcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _search(self) -> None:
        milvus = self._milvus
        with closing(MilvusClient(milvus.uri, token=milvus.secret(), timeout=30, dedicated=True)) as client:
            while not self._ended.wait(EVERY_S):
                with self._lock:
                    sought = list(self._sought)
                if sought:
                    self._note(sought, self._ids(client, sought))

    def _ids(self, client: MilvusClient, sought: list[_Sought]) -> set[str]:
        wanted = ", ".join(f'"{one.product_id}"' for one in sought)
        answers = client.search(
            self._milvus.alias,
            list(np.stack([one.vector for one in sought])),
            filter=f"product_id in [{wanted}]",
            limit=len(sought),
            output_fields=["product_id"],
            search_params={"metric_type": "COSINE"},
            anns_field="vector",
            consistency_level="Bounded",
        )
        return {hit["entity"]["product_id"] for hits in answers for hit in hits}

    def _note(self, sought: list[_Sought], ids: set[str]) -> None:
        now_s = time.monotonic()
        found = [one for one in sought if one.product_id in ids]
        with self._lock:
            self.found_after_s += [now_s - one.sent_s for one in found]
            self._sought = [one for one in self._sought if one.product_id not in ids]
