"""Work on pictures in a process apart, whose forks do it: a picture that kills its decoder kills nothing else.

A request is two messages, the limits as JSON and the picture's bytes; an answer is one, an exit status and then what
the work gives, or reason and detail. A fork has time and memory for one picture of the allowed size.
"""

import os
import resource
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from vitrine.errors import BadRecord, Unavailable
from vitrine.product import Reason
from vitrine.settings import Pictures

Work = Callable[[bytes, Pictures], bytes]
"""What is done with a picture's bytes under these limits; raises BadRecord where they cannot be used."""

_STATUS = struct.Struct("<i")
_DONE, _REFUSED = 1000, 1001  # beyond what a process exits with
_TOO_LATE = -signal.SIGALRM

_BYTES_PER_PIXEL = 32  # WebP takes 22, the most of all formats
_BASE_BYTES = 1 << 29


class Apart:
    """`work` in a process of its own; threads take turns. It ends with its `with` block.

    `work` is pickled: a function of a module, or a partial of one.
    """

    def __init__(self, work: Work) -> None:
        self._turn = threading.Lock()
        self._connection, theirs = Pipe()
        # The modules may come from a zip that only sys.path knows; a process with threads should not fork.
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=sys.__stderr__,
                env={**os.environ, **environment},
            )
        self._connection.send(work)

    @property
    def pid(self) -> int:
        """Of the process, whose only child is the fork that works."""
        return self._process.pid

    def __call__(self, data: bytes, limits: Pictures) -> bytes:
        """What `work` gives for a picture.

        Raises:
            BadRecord: as `work`, `decoder_crash` (it ends its process), or `decode_timeout`.
            Unavailable: the process itself has ended, which no picture can bring about.
        """
        try:
            with self._turn:
                answer = _asked(self._connection, limits.model_dump_json().encode(), data)
        except (EOFError, OSError) as error:
            code = self._process.wait()
            raise Unavailable(f"the process that decodes pictures has ended with status {code}: try again") from error
        (status,) = _STATUS.unpack_from(answer)
        if status != _DONE:
            raise _refusal(status, answer[_STATUS.size :].decode(), limits)
        return answer[_STATUS.size :]

    def __enter__(self) -> "Apart":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._process.kill()
        self._process.wait()


def _asked(worker: Connection, limits: bytes, data: bytes) -> bytes:
    worker.send_bytes(limits)
    worker.send_bytes(data)
    return worker.recv_bytes()


def _refusal(status: int, said: str, limits: Pictures) -> BadRecord:
    if status == _REFUSED:
        return BadRecord(*said.split("\n", 1))
    if status == _TOO_LATE:
        return BadRecord(Reason.DECODE_TIMEOUT, f"decoding took longer than {limits.decode_timeout_s:g} s")
    ended = f"by signal {-status}, {signal.strsignal(-status)}" if status < 0 else f"with status {status}"
    return BadRecord(Reason.DECODER_CRASH, f"decoding ended its process {ended}")


class _Fork:
    """A fork of this process, which works until a picture ends it: `status` then says how."""

    def __init__(self, work: Work) -> None:
        self.answered = 0
        self.status: int | None = None
        self._connection, theirs = Pipe()
        self._pid = os.fork()
        if not self._pid:
            self._connection.close()
            try:
                _work_for(theirs, work)
            finally:
                os._exit(1)
        theirs.close()

    def ask(self, limits: bytes, data: bytes) -> bytes:
        try:
            answer = _asked(self._connection, limits, data)
        except (EOFError, OSError):
            self._connection.close()
            status = self.status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
            return _STATUS.pack(status)
        self.answered += 1
        return answer


def serve(parent: Connection) -> None:
    """Answer requests until they end; a picture is to blame only for the end of a fork that had no other before it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(EOFError):
        work = parent.recv()
        fork = _Fork(work)
        while True:
            limits, data = parent.recv_bytes(), parent.recv_bytes()
            answer = fork.ask(limits, data)
            if fork.answered and fork.status not in (None, _TOO_LATE):
                fork = _Fork(work)
                answer = fork.ask(limits, data)
            if fork.status is not None:
                fork = _Fork(work)
            parent.send_bytes(answer)


def _work_for(parent: Connection, work: Work) -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    while True:
        limits, data = Pictures.model_validate_json(parent.recv_bytes()), parent.recv_bytes()
        wanted = used + _BASE_BYTES + _BYTES_PER_PIXEL * limits.max_pixels
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
        signal.setitimer(signal.ITIMER_REAL, limits.decode_timeout_s)
        answer = _answer(work, data, limits)
        signal.setitimer(signal.ITIMER_REAL, 0)
        parent.send_bytes(answer)


def _answer(work: Work, data: bytes, limits: Pictures) -> bytes:
    try:
        return _STATUS.pack(_DONE) + work(data, limits)
    except BadRecord as error:
        return _STATUS.pack(_REFUSED) + f"{error.reason}\n{error.detail}".encode()


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
