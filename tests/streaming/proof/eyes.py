"""A thread that looks at a run from outside, as long as it lasts."""

import time
from threading import Event, Thread

from tests.streaming.proof.brokers_eye import Groups
from tests.streaming.proof.evidence import CommitSample, Look
from tests.streaming.proof.shops_eye import Shop
from vitrine.settings import Kafka, Milvus


class Eyes:
    """Samples what clients and operators see, `every_s`; use it in a `with` statement."""

    def __init__(self, kafka: Kafka, milvus: Milvus, *, dim: int, every_s: float) -> None:
        self.looks: list[Look] = []
        self.commits: list[CommitSample] = []
        self._kafka, self._milvus, self._dim, self._every_s = kafka, milvus, dim, every_s
        self._over = Event()
        self._thread = Thread(target=self._watch, name="eyes", daemon=True)
        self._failure: BaseException | None = None

    def __enter__(self) -> "Eyes":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)
        if self._failure:
            raise self._failure

    def serving(self) -> str:
        """The collection behind the alias, as last seen."""
        return next((look.collection for look in reversed(self.looks) if look.collection), "")

    def all_committed(self) -> bool:
        """Whether the group of the served view has committed everything, as last seen."""
        sample = self.committed(f"vitrine.{self.serving()}")
        return sample is not None and sample.offsets == {p: end for p, end in sample.ends.items() if end}

    def look_once_more(self) -> None:
        """Wait for a look and a sample that began after this call."""
        looks, samples = len(self.looks), len(self.commits)
        deadline = time.monotonic() + 60
        while len(self.looks) < looks + 2 or len(self.commits) < samples + 2:
            assert time.monotonic() < deadline, "nothing can be seen any more"
            assert not self._failure, self._failure
            time.sleep(0.1)

    def committed(self, group: str) -> CommitSample | None:
        """The last sample of a group."""
        return next((sample for sample in reversed(self.commits) if sample.group == group), None)

    def _watch(self) -> None:
        try:
            groups, shop = Groups(self._kafka), Shop(self._milvus, self._dim)
            seen: set[str] = set()
            while not self._over.wait(self._every_s):
                self.looks.append(shop.look())
                seen |= {f"vitrine.{self.looks[-1].collection}"} if self.looks[-1].collection else set()
                self.commits += filter(None, map(groups.sample, sorted(seen)))
            groups.close()
            shop.close()
        except BaseException as error:  # noqa: BLE001  # a thread's failure is the test's, which raises it
            self._failure = error
