"""Embedders by the id of their model, made in threads of their own so that answers do not wait for them."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

from vitrine.embedding import Embedder
from vitrine.errors import BadInput, Unavailable

KEPT_MODELS = 2
"""Embedders that are kept, those asked for last: during a change of the model two serve."""


class Models:
    """The embedders of a client; threads share them. `make` may take long, and is called once for each model.

    A model that could not be had is tried again whenever somebody asks; one that is found nowhere stays refused until
    it is found. All but the two that were asked for last are let go: their memory is an engine's.
    """

    def __init__(self, make: Callable[[str], Embedder]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._begun: dict[str, Future[Embedder]] = {}
        self._refused: dict[str, str] = {}

    def ready(self, model_id: str) -> bool:
        """Whether the model is there; if not, it is being made from now on.

        Raises:
            BadInput: it cannot be found.
            Unavailable: its store did not answer.
        """
        made = self._begin(model_id)
        if not made.done():
            if refusal := self._refused.get(model_id):
                raise BadInput(refusal)
            return False
        self._result(model_id, made, 0)
        return True

    def get(self, model_id: str, wait_s: float) -> Embedder:
        """The embedder, waited for.

        Raises:
            BadInput: it cannot be found.
            Unavailable: it takes longer than `wait_s`, or its store did not answer.
        """
        return self._result(model_id, self._begin(model_id), wait_s)

    def _begin(self, model_id: str) -> "Future[Embedder]":
        with self._lock:
            if model_id not in self._begun:
                self._begun[model_id] = Future()
                thread = threading.Thread(target=self._fill, args=(model_id, self._begun[model_id]), daemon=True)
                thread.start()
            made = self._begun[model_id] = self._begun.pop(model_id)  # the newest stands last
            for other in [other for other, begun in self._begun.items() if begun.done()][:-KEPT_MODELS]:
                del self._begun[other]
            return made

    def _fill(self, model_id: str, made: "Future[Embedder]") -> None:
        try:
            embedder = self._make(model_id)
        except BaseException as error:  # noqa: BLE001  # whoever waits gets it
            if isinstance(error, BadInput):
                self._refused[model_id] = str(error)
            made.set_exception(error)
        else:
            self._refused.pop(model_id, None)
            made.set_result(embedder)

    def _result(self, model_id: str, made: "Future[Embedder]", wait_s: float) -> Embedder:
        try:
            return made.result(timeout=wait_s)
        except TimeoutError as error:
            if not made.done():
                raise Unavailable(f"model {model_id} is still being loaded: try again") from error
            raise
        finally:
            if made.done() and made.exception() is not None:
                self._forget(model_id, made)

    def _forget(self, model_id: str, made: "Future[Embedder]") -> None:
        with self._lock:
            if self._begun.get(model_id) is made:
                del self._begun[model_id]
