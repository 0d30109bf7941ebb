"""Feeding one view: a member of its group, and the pipeline behind it."""

import logging
import threading
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial

from kafka import KafkaConsumer
from kafka.errors import KafkaError

from streaming.applying import Applier
from streaming.careful import Careful
from streaming.dead_letters import DeadLetters, Names
from streaming.membership import Membership
from streaming.moments import Assigned, Moment, Watch
from streaming.pipeline import Pipeline
from streaming.polling import Polling
from streaming.rebalancing import Rebalancing
from streaming.settling import Settling
from streaming.thumbnailing import Thumbnailer
from streaming.views import View
from streaming.worker import Pulse
from vitrine import broker
from vitrine.errors import VitrineError
from vitrine.fetch import Fetcher
from vitrine.index.store import Store
from vitrine.settings import Settings
from vitrine.thumbnails import Thumbnails

logger = logging.getLogger(__name__)

_CLOSING_S = 5.0
_FETCH_BYTES = 1 << 20


class Feed:
    """Feeds one view from `start` until `stop`; the threads are its own, store and embedder are shared.

    Raises:
        Unavailable, BadInput: Kafka does not answer or does not let us in; the settings allow no picture's address.
    """

    def __init__(self, view: View, embedder: Careful, *, store: Store, settings: Settings, watch: Watch) -> None:
        self.view = view
        self.is_assigned = False
        self._watch = watch
        self._member = Membership(settings.stream, self._seen)
        self._settling = _settling(view, store, settings)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"feed {view.name}", daemon=True)
        kafka = settings.kafka
        with ExitStack() as opened:
            opened.callback(embedder.close)
            producer = broker.Producer(kafka)
            opened.callback(partial(_close_producer, producer))
            self._consumer = broker.consumer(kafka, group=view.group, **_membership(settings))
            opened.callback(partial(_close_consumer, self._consumer))
            applier = _applier(view, embedder, store=store, settings=settings, watch=watch, opened=opened)
            names = Names(kafka.topic, kafka.dlq_topic, view.name, view.model_id)
            letters = DeadLetters(producer, names, self._member)
            self._pipeline = Pipeline(applier, embedder, self._settling, letters, self._member)
            self._opened = opened.pop_all()
        self._polling = Polling(self._consumer, kafka.topic, self._pipeline.put, self._member, as_of=_moment(view))

    @property
    def failure(self) -> BaseException | None:
        """What ended it, if anything did."""
        return self._member.ending.failure

    @property
    def pulses(self) -> dict[str, Pulse]:
        """How each of its threads gets on."""
        return {"poll": self._polling.pulse, **self._pipeline.pulses}

    @property
    def partitions(self) -> int:
        """How many it reads now."""
        return len(self._member.tracker.positions())

    @property
    def stages(self) -> dict[str, Pulse]:
        """Those of its threads that work on records."""
        return self._pipeline.pulses

    def unchecked(self) -> int:
        """How many versions the settle check has let go for want of memory."""
        return self._settling.dropped

    def start(self) -> None:
        """Begin to feed; returns at once."""
        self._pipeline.start()
        self._thread.start()

    def stop(self) -> None:
        """Finish what is under way, commit it, and leave the group, all within one `stream.drain_s`."""
        self._member.leave()
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        rebalancing = Rebalancing(self._consumer, self._member, forget=self._pipeline.forget, lost=self._settling.clear)
        try:
            self._polling.run(rebalancing, self._stop)
        except BaseException as error:  # noqa: BLE001  # the service raises it
            self._member.ending.fail(error)
        self._member.leave()
        self._member.ending.stop()
        self._pipeline.join(max(0.0, self._member.drained_by_s() - time.monotonic()))
        self._opened.close()

    def _seen(self, moment: Moment) -> None:
        if isinstance(moment, Assigned):
            self.is_assigned = True
        self._watch(moment)


def _membership(settings: Settings) -> dict[str, object]:
    """How the consumer takes part in its group, in kafka-python's words."""
    stream = settings.stream
    return {
        "group_instance_id": stream.member or None,
        "session_timeout_ms": round(1_000 * stream.session_timeout_s),
        "heartbeat_interval_ms": round(1_000 * stream.heartbeat_s),
        "max_poll_records": 2 * stream.batch_size,
        # What one fetch brings of a partition is read before any of another; a larger record comes all the same.
        "max_partition_fetch_bytes": _FETCH_BYTES,
    }


def _settling(view: View, store: Store, settings: Settings) -> Settling:
    stream = settings.stream
    return Settling(store, view.collection, after_s=sorted(stream.settle_s), max_bytes=stream.settle_bytes)


def _applier(
    view: View, embedder: Careful, *, store: Store, settings: Settings, watch: Watch, opened: ExitStack
) -> Applier:
    """What applies changes; what it needs for that is closed with `opened`."""
    pictures, small, thumbnailer = settings.pictures, settings.thumbnails, None
    fetcher = Fetcher(pictures)
    opened.callback(fetcher.close)
    if small.uri is not None:
        thumbnailer = Thumbnailer(Thumbnails(small.uri, small.size, limits=pictures))
        opened.callback(thumbnailer.close)
    return Applier(
        store,
        view.collection,
        embedder,
        fetcher.read,
        watch=watch,
        max_images=pictures.max_images,
        fetch_threads=pictures.fetch_threads,
        thumbnail=thumbnailer,
    )


def _moment(view: View) -> datetime:
    as_of = datetime.fromisoformat(view.collection.facts.as_of)
    return as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)


def _close_consumer(consumer: KafkaConsumer) -> None:
    with suppress(KafkaError):
        consumer.close(autocommit=False, timeout_ms=1_000 * _CLOSING_S)


def _close_producer(producer: broker.Producer) -> None:
    with suppress(VitrineError):
        producer.close(within_s=_CLOSING_S)
