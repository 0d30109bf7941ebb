"""Records on their way: as they were polled, and with the change that they state."""

from dataclasses import dataclass

from streaming.changes import Change
from streaming.moments import Place
from vitrine.events import Listing, Message


@dataclass(frozen=True, slots=True)
class Taken:
    """A record as it was polled, in the epoch that it belongs to; `taken_s` is monotonic time."""

    place: Place
    epoch: int
    message: Message
    timestamp_ms: int
    taken_s: float

    @property
    def size_bytes(self) -> int:
        """Size of key, value and headers."""
        key, value, headers = self.message.key, self.message.value, self.message.headers
        return len(key or b"") + len(value or b"") + sum(len(name) + len(content) for name, content in headers)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A change that waits to be applied, with the record and listing that it came in.

    What the settle check hands in has neither. `since_s` is when it began to wait, in monotonic time.
    """

    change: Change
    since_s: float
    record: Taken | None = None
    listing: Listing | None = None

    @property
    def size_bytes(self) -> int:
        """Size of its record, or of its pictures where it has none."""
        return self.record.size_bytes if self.record else self.change.size_bytes
