"""Work of requests, where it is bounded."""

import asyncio
import threading

from tests.serve.conftest import ALIAS, filled
from vitrine.client import Box, Client, Example, Query
from vitrine.serve.desk import CUTTING, Desk
from vitrine.serve.metrics import Metrics
from vitrine.settings import Serve
from vitrine.testing import FakeEmbedder


class Crowded(Client):
    """A client that finds out whether more are cut at once than may be."""

    together = threading.Barrier(CUTTING + 1, timeout=0.5)
    met = False

    def pictures(self, query: Query) -> tuple[bytes, ...]:
        try:
            self.together.wait()
            Crowded.met = True
        except threading.BrokenBarrierError:
            pass
        return super().pictures(query)


def test_few_parts_are_cut_at_once(drawn_pictures: list[bytes]) -> None:
    store, network = filled(drawn_pictures), FakeEmbedder()
    desk = Desk(Crowded(store, ALIAS, lambda model_id: network), Serve(places=8, isolate=False), Metrics())
    query = Query((Example(drawn_pictures[0], box=Box(0, 0, 0.5, 1)),))

    async def run() -> None:
        await asyncio.gather(*(desk.find(query) for _ in range(8)))

    asyncio.run(run())
    desk.close()
    assert not Crowded.met


def test_a_rehearsal_waits_for_nobody(drawn_pictures: list[bytes]) -> None:
    store, network = filled(drawn_pictures), FakeEmbedder()
    desk = Desk(Client(store, ALIAS, lambda model_id: network), Serve(places=1), Metrics())
    release = threading.Event()

    async def run() -> None:
        busy = asyncio.ensure_future(desk.ask(lambda client: release.wait(60)))
        try:
            async with asyncio.timeout(30):
                await desk.rehearse(Query((Example(drawn_pictures[0]),)))
            assert not busy.done()
        finally:
            release.set()
            await busy

    asyncio.run(run())
    desk.close()
