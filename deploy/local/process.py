"""A process of this machine that is known again, so that a stranger which got its id is left alone."""

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_STATE, _BEGAN = 0, 19
_ENDED = ("Z", "X")
_KILLED_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process by its id and the moment it began, in clock ticks since the machine booted."""

    id: int
    began: int

    @classmethod
    def of(cls, process_id: int) -> Self:
        """The process that has the id now; ProcessLookupError if there is none."""
        return cls(process_id, _stated(process_id)[1])

    def alive(self) -> bool:
        """Whether it runs, and is not another one with the same id."""
        try:
            state, began = _stated(self.id)
        except ProcessLookupError:
            return False
        return began == self.began and state not in _ENDED

    def kill(self) -> bool:
        """End it with SIGKILL and wait until it is gone; False if it was already.

        Raises:
            TimeoutError: the kernel did not let go of it.
        """
        try:
            handle = os.pidfd_open(self.id)
        except ProcessLookupError:
            return False
        try:
            # The handle holds on to one process, so that what is checked here is what is killed.
            if not self.alive():
                return False
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            if not select.select([handle], [], [], _KILLED_WITHIN_S)[0]:
                raise TimeoutError(f"process {self.id} does not end")
            return True
        finally:
            os.close(handle)


def _stated(process_id: int) -> tuple[str, int]:
    """State and beginning of a process, by proc(5)."""
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text()
    except FileNotFoundError as error:
        raise ProcessLookupError(f"no process {process_id}") from error
    fields = stat.rpartition(")")[2].split()  # the name before the last bracket may hold anything
    return fields[_STATE], int(fields[_BEGAN])
