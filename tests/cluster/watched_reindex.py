"""A reindex whose units say when they are tried, and misbehave: `watched_reindex.py SHOP FAULTS SETTINGS`.

SHOP is a directory, FAULTS and SETTINGS are JSON. FAULTS lists units by number: attempts at those to `hold` wait for
the file SHOP/go, attempts at those of `dies` kill their process until it is there; the first attempt at one of
`dies_committed` does so when it has committed the unit, before Spark hears of it.
"""

import json
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from uuid import uuid4

from pyspark import TaskContext

from jobs.reindex import reindex
from vitrine.flags import exit_code
from vitrine.settings import Settings
from vitrine.telemetry import configure_logging
from vitrine.testing import FakeEmbedder


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class Watched(FakeEmbedder):
    """A FakeEmbedder that notes each attempt in SHOP/attempts, when it begins and when it has given all vectors."""

    def __init__(self, shop, faults) -> None:
        super().__init__(dim=16)
        self._shop = Path(shop)
        self._faults = faults

    def embed(self, pictures):
        context = TaskContext.get()
        if context is None:
            yield from super().embed(pictures)
            return
        unit, number = context.partitionId(), context.attemptNumber()
        committed = (self._shop / f"work/runs/a/units/{unit:06}.json").exists()
        note = self._shop / "attempts" / uuid4().hex
        said = {"pid": os.getpid(), "unit": unit, "number": number, "committed": committed}
        note.with_suffix(".part").write_text(json.dumps(said))
        note.with_suffix(".part").rename(note.with_suffix(".began"))
        self._misbehave(unit, number)
        yield from super().embed(pictures)
        note.with_suffix(".ended").touch()

    def _misbehave(self, unit, number):
        go = self._shop / "go"
        if unit in self._faults.get("dies", ()) and not go.exists():
            die()
        if unit in self._faults.get("dies_committed", ()) and number == 0:
            sys.setprofile(lambda frame, event, _: event == "return" and frame.f_code.co_name == "run_unit" and die())
        while unit in self._faults.get("hold", ()) and not go.exists():
            time.sleep(0.02)


if __name__ == "__main__":
    configure_logging()
    shop, faults, settings = sys.argv[1:]
    wanted = Settings.model_validate_json(settings)
    sys.exit(exit_code(lambda: reindex(wanted, make_embedder=partial(Watched, shop, json.loads(faults)))))
