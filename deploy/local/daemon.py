"""A server program that runs on a directory of its own, and is found again by what is noted there."""

import json
import re
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from deploy.local.ports import free_block, is_free, require_free
from deploy.local.process import Process
from vitrine.errors import BadInput, Unavailable

_STATE = "server.json"
_POLL_S = 0.1
_LINES_SHOWN, _LINE_SHOWN = 5, 400


class Daemon:
    """A program by its name, directory and ports, started here or by another program; its log is NAME.log."""

    def __init__(self, name: str, place: Path, ports: Sequence[int]) -> None:
        self.name = name
        self.place = place.absolute()
        self.ports = list(ports)
        self.log = self.place / f"{name.lower()}.log"
        self.process: Process | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.alive()

    def kill(self) -> None:
        """End its process with SIGKILL; one that has ended stays as it is."""
        if self.process:
            self.process.kill()
        if self._child:
            self._child.wait()

    def run(self, command: Sequence[str | Path], environment: Mapping[str, str], *, leashed: bool) -> None:
        """Start the program on its directory; a `leashed` one ends with the thread that called this.

        Raises:
            BadInput: one of the ports is taken.
        """
        for port in self.ports:
            require_free(port)
        leash = ["setpriv", "--pdeathsig", "KILL", "--"] if leashed else []
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                [*leash, *command],
                cwd=self.place,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.process = Process.of(self._child.pid)
        aside = self.place / f"{_STATE}.aside"
        aside.write_text(json.dumps({**asdict(self.process), "ports": self.ports}))
        aside.replace(self.place / _STATE)

    def wait(self, answers: Callable[[], bool], within_s: float, *, telling: re.Pattern[str]) -> None:
        """Wait until it answers; where it does not, it is ended. `telling` marks the lines of its log that say why.

        Raises:
            Unavailable: it ended, or did not answer within that time; the text shows the end of its log.
        """
        deadline = time.monotonic() + within_s
        try:
            while not answers():
                if not self.alive():
                    raise Unavailable(f"{self.name} ended while it started: {self._last_words(telling)}")
                if time.monotonic() > deadline:
                    raise Unavailable(f"{self.name} did not answer in {within_s:.0f} s: {self._last_words(telling)}")
                time.sleep(_POLL_S)
        except BaseException:
            self.kill()
            raise

    def _last_words(self, telling: re.Pattern[str]) -> str:
        lines = [line[:_LINE_SHOWN] for line in self.log.read_text(errors="replace").splitlines()]
        chosen = [line for line in lines if telling.search(line)] or lines
        return "\n".join([f"its log {self.log} says", *chosen[-_LINES_SHOWN:]])


class DaemonServer(ABC):
    """A server that was started, maybe by another program; all that it keeps is below `place`."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.place = daemon.place
        self.ports = daemon.ports
        self.log = daemon.log

    @property
    def process(self) -> Process | None:
        """Its process; None before it was started."""
        return self._daemon.process

    @abstractmethod
    def launch(self, *, leashed: bool) -> None:
        """Run the program and wait until it answers; a `leashed` one ends with the thread that called this."""

    def alive(self) -> bool:
        """Whether its process runs."""
        return self._daemon.alive()

    def kill(self) -> None:
        """End its process with SIGKILL; what it has acknowledged is kept. An ended server stays as it is."""
        self._daemon.kill()

    def restart(self) -> None:
        """Kill it and start it again on the same directory and ports, leashed; returns once it answers."""
        self.kill()
        self.launch(leashed=True)

    def stop(self) -> None:
        """End it for good; `start` on the same directory finds all again.

        By SIGKILL as well: Milvus 2.3.5 takes minutes to end on SIGTERM, and neither keeps more by it.
        """
        self.kill()


def noted(name: str, place: Path) -> Daemon | None:
    """The daemon that was last started on a directory, whether or not it runs still.

    Raises:
        BadInput: what was noted about it cannot be read.
    """
    note = place.absolute() / _STATE
    try:
        said = json.loads(note.read_text())
        daemon = Daemon(name, place, said["ports"])
        daemon.process = Process(said["id"], said["began"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{note} cannot be read: end the server on {place} by hand and remove the file") from error
    return daemon


def choose_ports(n: int, *, first: int | None, earlier: Sequence[int]) -> list[int]:
    """`n` ports to listen on: the earlier ones where they are free, else others; `first` where it is given.

    Raises:
        BadInput: `first` is taken.
    """
    if first is not None:
        require_free(first)
    chosen = list(earlier) if len(earlier) == n and all(map(is_free, earlier)) else free_block(n)
    return chosen if first is None else [first, *chosen[1:]]
