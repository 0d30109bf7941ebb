"""The demo of the stream: 100 uploads to a drawn shop, and when a search sees each of them.

Reads   nothing.
Writes  .vitrine/demo-stream: the catalogue, the state of the run, the service's log. The servers' data is that of
        `make stack`; the alias is `demo`, the topics are `demo` and `demo.dlq`.
Again   may be run several times; the servers stay up until `make stack-down`.
Run     make demo-stream
"""

import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from deploy.local.__main__ import STACK, up
from deploy.local.ports import free_block
from deploy.uploads import Change, Shop, changes
from jobs.reindex import reindex
from vitrine import broker, flags
from vitrine.cli import dead_letters
from vitrine.errors import Unavailable, VitrineError
from vitrine.index import schema
from vitrine.index.filters import where
from vitrine.index.store import Store, connect
from vitrine.rendering import write_demo_catalog
from vitrine.settings import Features, Kafka, Settings
from vitrine.telemetry import configure_logging

PLACE = Path(".vitrine/demo-stream")
CONFIG = "deploy/local.toml"
PRODUCTS = 200
RATE = 4.0
PATIENCE_S = 120.0
LOOK_S = 0.05


def main() -> None:
    """Run the demo; fails unless every upload is found and every broken one is a dead letter."""
    shutil.rmtree(PLACE, ignore_errors=True)
    up(STACK)
    settings = _settings()
    print(f"\ndrawing {PRODUCTS} products and indexing them into alias {settings.milvus.alias}")
    catalog = write_demo_catalog(PLACE / "catalog", products=PRODUCTS, broken=0)
    with broker.admin(settings.kafka) as admin:
        admin.drop_topics([settings.kafka.topic, settings.kafka.dlq_topic])
        admin.create_topics(settings.kafka, partitions=4)
    reindex(settings.model_copy(update={"catalog": [str(catalog.path)]}))
    with _service(settings):
        uploads = changes(Shop.read(catalog.path))
        print(f"publishing {len(uploads)} uploads, {RATE:.0f} a second")
        seconds = _published_and_seen(settings, uploads)
        _tell(uploads, seconds)
        _tell_dead_letters(settings.kafka, sum(upload.kind == "broken" for upload in uploads))


def _settings() -> Settings:
    named = [f"--config={CONFIG}", "--milvus.alias=demo", "--kafka.topic=demo", "--kafka.dlq_topic=demo.dlq"]
    run = f"demo{int(time.time())}"
    found = flags.load([*named, f"--work={PLACE}", f"--run={run}"], program="make demo-stream", story="")
    return found.model_copy(update={"features": Features(uri=str(PLACE / "features"))})


@contextmanager
def _service(settings: Settings) -> Iterator[None]:
    """The service as a process of its own, from when it is ready until it has ended cleanly."""
    port = free_block(1)[0]
    arguments = [f"--config={CONFIG}", "--milvus.alias=demo", "--kafka.topic=demo", "--kafka.dlq_topic=demo.dlq"]
    command = [sys.executable, "-m", "streaming", *arguments, f"--work={settings.work}", f"--port={port}"]
    print(f"starting: python -m {' '.join(command[2:])}")
    with (PLACE / "service.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as service:
        try:
            _wait_until_ready(service, f"http://127.0.0.1:{port}/ready")
            yield
        finally:
            service.send_signal(signal.SIGTERM)
            code = service.wait(timeout=PATIENCE_S)
    if code:
        raise VitrineError(f"the service ended with {code}: its log is {PLACE / 'service.log'}")
    print(f"the service finished and left; its log is {PLACE / 'service.log'}")


def _wait_until_ready(service: "subprocess.Popen[bytes]", address: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310  # our own address
                return
        except (urllib.error.URLError, ConnectionError):
            if service.poll() is not None or time.monotonic() > end:
                raise Unavailable(f"the service is not ready: its log is {PLACE / 'service.log'}") from None
        time.sleep(LOOK_S)


def _published_and_seen(settings: Settings, uploads: list[Change]) -> dict[str, float]:
    """Seconds from each upload's event to the first look that saw it, by product."""
    waiting: dict[str, tuple[Change, float]] = {}
    seconds: dict[str, float] = {}
    started = time.monotonic()
    end = started + len(uploads) / RATE + PATIENCE_S
    todo = list(uploads)
    with connect(settings.milvus) as store, broker.Producer(settings.kafka) as producer:
        while todo or waiting:
            if todo and time.monotonic() >= started + (len(uploads) - len(todo)) / RATE:
                upload = todo.pop(0)
                for message in upload.messages():
                    producer.send(settings.kafka.topic, message)
                if upload.kind != "broken":
                    waiting[upload.product_id] = upload, time.monotonic()
            for product_id in _seen(store, settings.milvus.alias, waiting):
                seconds[product_id] = time.monotonic() - waiting.pop(product_id)[1]
            if time.monotonic() > end:
                raise VitrineError(f"never seen: {', '.join(sorted(waiting))}")
            time.sleep(LOOK_S)
    return seconds


def _seen(store: Store, alias: str, waiting: dict[str, tuple[Change, float]]) -> list[str]:
    """The products that the alias shows as their upload says, to a reader that asks for nothing stronger."""
    if not waiting:
        return []
    fields = [schema.IMAGE_ID, schema.PRODUCT_ID, schema.VERSION]
    rows = store.query(alias, where(schema.PRODUCT_ID, list(waiting)), fields=fields)
    found: dict[str, list[int]] = {product_id: [] for product_id in waiting}
    for row in rows:
        found[str(row[schema.PRODUCT_ID])].append(int(str(row[schema.VERSION])))
    return [product_id for product_id, versions in found.items() if waiting[product_id][0].is_shown_by(versions)]


def _tell(uploads: list[Change], seconds: dict[str, float]) -> None:
    print(
        f"\n{'upload':<28} {'count':>5}  {'p50':>6} {'p99':>6} {'slowest':>8}   from the event to a query that sees it"
    )
    for kind in dict.fromkeys(upload.kind for upload in uploads if upload.kind != "broken"):
        _tell_row(kind, [seconds[upload.product_id] for upload in uploads if upload.kind == kind])
    _tell_row("all", list(seconds.values()))


def _tell_row(kind: str, seconds: list[float]) -> None:
    p50, p99 = np.percentile(seconds, [50, 99])
    print(f"{kind:<28} {len(seconds):>5}  {p50:5.2f}s {p99:5.2f}s {max(seconds):7.2f}s")


def _tell_dead_letters(kafka: Kafka, wanted: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while len(found := list(dead_letters.letters(kafka))) < wanted:
        if time.monotonic() > end:
            raise VitrineError(f"{len(found)} dead letters, not {wanted}")
        time.sleep(LOOK_S)
    print(f"\nvitrine dlq list --kafka.bootstrap={kafka.bootstrap[0]} --kafka.dlq_topic={kafka.dlq_topic}")
    print("\n".join(dead_letters.table(found)))


if __name__ == "__main__":
    configure_logging()
    sys.exit(flags.exit_code(main))
