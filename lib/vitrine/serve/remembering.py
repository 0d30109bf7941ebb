"""Vectors of pictures that were asked with before."""

import hashlib
import threading
from collections import OrderedDict

from vitrine.embedding import Vectors

Key = tuple[str, bytes]


class VectorCache:
    """The newest `most` vectors by model and sha256 of the picture; threads share it. No picture is kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._vectors: OrderedDict[Key, Vectors] = OrderedDict()

    def get(self, model_id: str, picture: bytes) -> Vectors | None:
        """The vector of the picture, if it is known."""
        key = _key(model_id, picture)
        with self._lock:
            found = self._vectors.get(key)
            if found is not None:
                self._vectors.move_to_end(key)
            return found

    def put(self, model_id: str, picture: bytes, vector: Vectors) -> None:
        """Remember the vector of the picture; it must not be changed afterwards."""
        with self._lock:
            self._vectors[_key(model_id, picture)] = vector
            self._vectors.move_to_end(_key(model_id, picture))
            while len(self._vectors) > self._most:
                self._vectors.popitem(last=False)


def _key(model_id: str, picture: bytes) -> Key:
    return model_id, hashlib.sha256(picture).digest()
