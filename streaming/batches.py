"""From deliveries to batches: by size, bytes and age, and of each product in at most one batch at a time."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from streaming.changes import Change, coalesced
from streaming.records import Delivery


@dataclass(frozen=True, slots=True)
class Batch:
    """Deliveries that are applied together, by product, those of a product in the order in which they came."""

    epoch: int
    products: dict[str, tuple[Delivery, ...]]

    @property
    def deliveries(self) -> Iterator[Delivery]:
        """All of them."""
        return (delivery for deliveries in self.products.values() for delivery in deliveries)

    @property
    def records(self) -> int:
        """How many records."""
        return sum(delivery.record is not None for delivery in self.deliveries)

    @property
    def size_bytes(self) -> int:
        """Size of all records."""
        return sum(delivery.size_bytes for delivery in self.deliveries)

    @property
    def since_s(self) -> float:
        """When the first of them began to wait."""
        return min(delivery.since_s for delivery in self.deliveries)

    def changes(self) -> list[Change]:
        """One change for each product."""
        return coalesced(delivery.change for delivery in self.deliveries)


@dataclass(slots=True)
class _Waiting:
    deliveries: list[Delivery] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self.size_bytes += delivery.size_bytes

    @property
    def since_s(self) -> float:
        return self.deliveries[0].since_s


class Batches:
    """Deliveries that wait for their batch.

    A product that `take` gave out is busy until `release`: what comes for it meanwhile waits, whatever its age.
    A batch is due when enough products wait, or enough bytes, or one has waited long enough.
    """

    def __init__(self, *, most_products: int, most_bytes: int, age_s: float) -> None:
        self._most_products = most_products
        self._most_bytes = most_bytes
        self._age_s = age_s
        self._ready: OrderedDict[str, _Waiting] = OrderedDict()
        self._held: dict[str, _Waiting] = {}
        self._busy: set[str] = set()

    def add(self, delivery: Delivery) -> None:
        """Let a delivery wait."""
        product_id = delivery.change.product_id
        waiting = self._held if self.is_busy(product_id) else self._ready
        waiting.setdefault(product_id, _Waiting()).add(delivery)

    def is_busy(self, product_id: str) -> bool:
        """Whether the product is in a batch that has not ended."""
        return product_id in self._busy

    def release(self, products: Sequence[str]) -> None:
        """The batch of these products has ended; what waited for them goes first."""
        for product_id in products:
            self._busy.discard(product_id)
            if waiting := self._held.pop(product_id, None):
                self._ready[product_id] = waiting
                self._ready.move_to_end(product_id, last=False)

    def forget_records(self) -> None:
        """Forget the records that wait, since they will be read again; what the settle check handed in stays."""
        for waiting in (self._ready, self._held):
            handed_in = [one for group in waiting.values() for one in group.deliveries if one.record is None]
            waiting.clear()
            for delivery in handed_in:
                waiting.setdefault(delivery.change.product_id, _Waiting()).add(delivery)

    def due_s(self) -> float | None:
        """When the next batch is due, in the time of the deliveries; None while nothing is ready."""
        if not self._ready:
            return None
        if len(self._ready) >= self._most_products or self._bytes() >= self._most_bytes:
            return 0.0
        return min(waiting.since_s for waiting in self._ready.values()) + self._age_s

    def take(self, epoch: int, now_s: float) -> Batch | None:
        """The batch that is due, if one is; its products are busy from now on."""
        due_s = self.due_s()
        if due_s is None or due_s > now_s:
            return None
        products: dict[str, tuple[Delivery, ...]] = {}
        size_bytes = 0
        while self._ready and len(products) < self._most_products:
            product_id, waiting = next(iter(self._ready.items()))
            if products and size_bytes + waiting.size_bytes > self._most_bytes:
                break
            del self._ready[product_id]
            products[product_id] = tuple(waiting.deliveries)
            size_bytes += waiting.size_bytes
        self._busy.update(products)
        return Batch(epoch, products)

    def _bytes(self) -> int:
        return sum(waiting.size_bytes for waiting in self._ready.values())
