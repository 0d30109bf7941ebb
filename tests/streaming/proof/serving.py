"""The real service inside its process: watched by a journal, and killed or frozen where it is told."""

import ctypes
import json
import logging
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, cast

from streaming import moments, service
from streaming.feeding import Feed
from streaming.operating import stop_on_signals
from streaming.views import View
from tests.streaming.proof.orders import Orders
from tests.streaming.proof.plants import PLANTS
from vitrine.embedding import Embedder
from vitrine.errors import VitrineError
from vitrine.index.store import Store, connect
from vitrine.settings import Milvus, Settings
from vitrine.testing import FakeEmbedder

PR_SET_PDEATHSIG = 1
SEAMS = {
    "after poll": moments.Polled,
    "after embed": moments.Embedded,
    "between rows and ledger": moments.RowsWritten,
    "after the ledger": moments.LedgerWritten,
    "before commit": moments.Committing,
    "after commit": moments.Committed,
    "inside a rebalance": moments.Revoking,
    "before the DLQ acknowledgement": moments.DeadLetterSent,
    "after the DLQ acknowledgement": moments.DeadLetterAcknowledged,
}


class Journal:
    """Writes down what happens, a line each, so that a kill loses nothing that was said before it."""

    def __init__(self, path: Path, kill_at: str, after: int) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._fatal, self._after = SEAMS.get(kill_at), after
        self._seen: Counter[type] = Counter()
        self._lock = Lock()

    def watch(self, collection: str, moment: moments.Moment) -> None:
        """Write down a moment of the feed of that collection, or die of it."""
        say = partial(self.say, collection=collection)
        match moment:
            case moments.Settled():
                place = (moment.place.partition, moment.place.offset)
                say("outcome", place=place, outcome=moment.outcome)
            case moments.Committing():
                say("committing", offsets=dict(moment.offsets))
            case moments.Assigned():
                say("assigned", offsets=dict(moment.offsets))
            case moments.Retried():
                say("retried", where=moment.where, error=moment.error)
            case moments.Restored():
                say("restored", **asdict(moment))
        if isinstance(moment, moments.Revoking) and not moment.partitions:
            return
        with self._lock:
            self._seen[type(moment)] += 1
            if type(moment) is self._fatal and self._seen[type(moment)] >= self._after:
                say("killed", at_moment=type(moment).__name__)
                os.kill(os.getpid(), signal.SIGKILL)

    def say(self, what: str, **facts: Any) -> None:
        line = {"at": time.monotonic(), "what": what, "facts": facts}
        os.write(self._file, json.dumps(line).encode() + b"\n")


class WatchedStore:
    """The real store; what is written goes into the journal before and after, and may be slow.

    At the write of the number `freeze_at` the process stands still, when nothing can hold the write back any more.
    """

    def __init__(self, milvus: Milvus, journal: Journal, *, slow_s: float, freeze_at: int) -> None:
        self._store, self._journal, self._slow_s, self._freeze_at = connect(milvus), journal, slow_s, freeze_at
        self._calls = count(1)

    def upsert(self, collection: str, rows: Any) -> None:
        call, said = next(self._calls), [(row["product_id"], row["version"]) for row in rows]
        view = collection.replace("_ledger__", "__")
        self._journal.say("writing", call=call, stated=said, collection=view)
        time.sleep(self._slow_s)
        if call == self._freeze_at:
            self._journal.say("frozen")
            os.kill(os.getpid(), signal.SIGSTOP)
        self._store.upsert(collection, rows)
        self._journal.say("written", call=call, collection=view)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def __enter__(self) -> "WatchedStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()


def serve(orders: Orders, settings: Mapping[str, Any], journal_file: Path, log_file: Path) -> None:
    """Run the service in this process until it is told to stop or dies; exits with 1 at an error of ours."""
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", force=True)
    journal = Journal(journal_file, orders.kill_at, orders.after)
    _watch_feeds(journal)
    PLANTS[orders.plant]()

    def tiny(model_id: str) -> Embedder:
        return FakeEmbedder(model_id, dim=orders.dim)

    def watched(milvus: Milvus) -> Store:
        return cast(Store, WatchedStore(milvus, journal, slow_s=orders.slow_s, freeze_at=orders.freeze_at))

    try:
        service.run(
            Settings(**settings),
            make_embedder=None if orders.real else tiny,
            open_store=watched,
            stop=stop_on_signals(),
        )
    except VitrineError as error:
        logging.getLogger("streaming").error("%s", error)
        sys.exit(1)


def _watch_feeds(journal: Journal) -> None:
    """Tell the journal of each feed's moments, which do not name their view."""

    def made(view: View, embedder: Embedder, *, watch: moments.Watch, **more: Any) -> Feed:
        def seen(moment: moments.Moment) -> None:
            journal.watch(view.name, moment)
            watch(moment)

        return Feed(view, embedder, watch=seen, **more)

    service.Feed = made  # type: ignore[assignment, misc]
