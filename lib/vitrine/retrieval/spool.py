"""Bytes of pictures kept on disk while one model after the other sees them."""

from tempfile import TemporaryFile
from types import TracebackType
from typing import Self


class Spool:
    """Bytes kept by the order in which they came, in a file without a name: no end of the process leaves it behind."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 (closed with the spool)
        self._ends = [0]

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, data: bytes) -> None:
        """Keep these bytes behind the others."""
        self._file.seek(self._ends[-1])
        self._file.write(data)
        self._ends.append(self._ends[-1] + len(data))

    def read(self, i: int) -> bytes:
        """The bytes that came as the `i`-th."""
        self._file.seek(self._ends[i])
        return self._file.read(self._ends[i + 1] - self._ends[i])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
