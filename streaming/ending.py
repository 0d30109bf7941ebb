"""How the threads that feed a view end: together, at the first failure or when asked to."""

import threading


class Ending:
    """The common end of some threads."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._turn = threading.Lock()
        self._failure: BaseException | None = None

    def stop(self) -> None:
        """End all threads."""
        self._over.set()

    def fail(self, failure: BaseException) -> None:
        """End all threads for this reason; the first one counts."""
        with self._turn:
            self._failure = self._failure or failure
        self._over.set()

    @property
    def failure(self) -> BaseException | None:
        """Why all threads end, if not because they were asked to."""
        return self._failure

    @property
    def over(self) -> bool:
        """Whether all threads end."""
        return self._over.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until all threads end, or the time has passed; says which."""
        return self._over.wait(timeout_s)
