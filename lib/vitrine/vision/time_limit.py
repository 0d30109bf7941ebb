"""A limit of time for decoders in the process of a task, which no other thread could stop."""

import faulthandler
import signal
import threading
import time

import torch

from vitrine.settings import Pictures
from vitrine.vision.decode import decode

_STDERR = 2


class DecodeOrEnd:
    """`decode`, for a process that may be lost: if a picture takes longer than its limit, the process ends.

    It ends by SIGALRM, with the stacks of all threads on stderr. It is the kernel's timer that counts, since a decoder
    may hold the interpreter for good; a process has one such timer, so it must have no other use for it.
    """

    def __init__(self) -> None:
        faulthandler.register(signal.SIGALRM, _STDERR, chain=True)
        self._turn = threading.Lock()
        self._deadlines: dict[int, float] = {}

    def __call__(self, data: bytes, limits: Pictures) -> torch.Tensor:
        """See `decode`; threads may call it at the same time."""
        self._set(time.monotonic() + limits.decode_timeout_s)
        try:
            return decode(data, limits)
        finally:
            self._set(None)

    def _set(self, deadline: float | None) -> None:
        with self._turn:
            if deadline is None:
                del self._deadlines[threading.get_ident()]
            else:
                self._deadlines[threading.get_ident()] = deadline
            left = min(self._deadlines.values()) - time.monotonic() if self._deadlines else 0.0
            signal.setitimer(signal.ITIMER_REAL, max(left, 1e-3) if self._deadlines else 0.0)
