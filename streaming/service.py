"""The service: follows the alias, and feeds the view that it serves."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from streaming import health
from streaming.embedders import Embedders, MakeEmbedder
from streaming.feeding import Feed
from streaming.metrics import Metrics
from streaming.minutes import EVERY_S, Minutes
from streaming.moments import Following, Moment, Retried, Watch, unwatched
from streaming.outages import LONGEST_PAUSE_S, Pauses
from streaming.views import View, served
from streaming.worker import Pulse
from vitrine import broker
from vitrine.embedding import Embedder
from vitrine.errors import BadInput, Unavailable, VitrineError
from vitrine.index.store import Store, connect
from vitrine.settings import Milvus, Settings

logger = logging.getLogger("streaming")


def run(
    settings: Settings,
    *,
    watch: Watch = unwatched,
    make_embedder: MakeEmbedder | None = None,
    open_store: Callable[[Milvus], Store] = connect,
    stop: threading.Event | None = None,
) -> None:
    """Feed what the alias serves until `stop` is set; then finish what is under way, commit it, and leave.

    `make_embedder`, given a model id, stands in for the engine of the settings, which is for a process of its own: a
    picture that takes longer than `pictures.decode_timeout_s` ends it. `watch` is told of each moment.

    Raises:
        VitrineError: something is wrong that trying again does not cure, or not at the start.
    """
    stop = stop or threading.Event()
    with broker.admin(settings.kafka) as admin:
        for topic in (settings.kafka.topic, settings.kafka.dlq_topic):
            admin.require(topic)
    with open_store(_quick(settings)) as store:
        service = Service(settings, store, make_embedder or _engine(settings), watch)
        host = settings.stream.host
        with health.served(
            host, settings.stream.port, live=service.stuck, ready=service.unready, metrics=service.metrics.text
        ) as port:
            logger.info("health host=%s port=%d", host, port)
            service.follow(stop)
    logger.info("stopped")


class Service:
    """Feeds a list of views, today the one that the alias serves."""

    def __init__(self, settings: Settings, store: Store, make_embedder: MakeEmbedder, watch: Watch) -> None:
        self.metrics = Metrics()
        self._settings, self._store = settings, store
        self._embedders = Embedders(make_embedder)
        self._pauses = Pauses()
        self._watch_too = watch
        self._minutes = Minutes()
        self._feeds: dict[str, Feed] = {}
        self._outage_s = float("-inf")
        self.metrics.assigned(lambda: sum(feed.partitions for feed in list(self._feeds.values())))

    def follow(self, stop: threading.Event) -> None:
        """Feed the views until `stop` is set."""
        said_s = time.monotonic()
        try:
            self._begin(stop)
            while not stop.wait(self._settings.stream.follow_every_s):
                self._raise_failure()
                self._feed_again()
                if time.monotonic() - said_s >= EVERY_S:
                    said_s = time.monotonic()
                    self._say()
        finally:
            for name in list(self._feeds):
                self._leave(name)
        self._raise_failure()

    def _begin(self, stop: threading.Event) -> None:
        try:
            self._feed(self._views())
        except Unavailable:
            if not stop.is_set():  # a signal to the whole process group ends the process that decodes apart too
                raise

    def stuck(self) -> str:
        """See `health.Trouble`: a thread that does not get on."""
        stalled = [
            f"{name} of {feed.view.name}"
            for feed in list(self._feeds.values())
            for name, pulse in feed.pulses.items()
            if pulse.silence_s() > self._settings.stream.stall_s
        ]
        return f"no progress: {', '.join(stalled)}" if stalled else ""

    def unready(self) -> str:
        """See `health.Trouble`: no partitions were given yet, or a server is away."""
        feeds = list(self._feeds.values())
        if not feeds or not all(feed.is_assigned for feed in feeds):
            return "not a member of the group yet"
        away = time.monotonic() - self._outage_s < 2 * LONGEST_PAUSE_S
        return "waiting for a server that is away" if away else ""

    def _views(self) -> list[View]:
        return [served(self._store, self._settings.milvus.alias)]

    def _feed_again(self) -> None:
        """Feed the views as they are now, or as they were while a server is away or the alias is gone."""
        try:
            views = self._views()
        except (BadInput, Unavailable) as error:
            self._keep(error)
            return
        if not self._pauses.over:
            return
        try:
            self._feed(views)
        except Unavailable as error:
            self._pauses.failed()
            self._keep(error)
        else:
            self._pauses.passed()

    def _keep(self, error: VitrineError) -> None:
        self._watch(Retried("alias", str(error)))
        logger.warning("retrying where=alias error=%s", error)

    def _feed(self, views: list[View]) -> None:
        wanted = {view.name: view for view in views}
        for name, view in wanted.items():
            if name not in self._feeds:
                self._join(view)
        for name in [name for name in self._feeds if name not in wanted]:
            self._leave(name)
        self._embedders.keep({view.model_id for view in views})

    def _join(self, view: View) -> None:
        embedder = self._embedders.of(view.model_id)
        feed = Feed(view, embedder, store=self._store, settings=self._settings, watch=self._watch)
        for name, pulse in feed.stages.items():
            self.metrics.stage(name, partial(_worked_s, pulse))
        self.metrics.unchecked(feed.unchecked)
        self._feeds[view.name] = feed
        self._watch(Following(view.name, view.model_id))
        logger.info("following collection=%s group=%s model=%s", view.name, view.group, view.model_id)
        feed.start()

    def _leave(self, name: str) -> None:
        feed = self._feeds[name]
        feed.stop()
        if feed.failure is None:
            del self._feeds[name]

    def _raise_failure(self) -> None:
        for feed in self._feeds.values():
            if feed.failure is not None:
                raise feed.failure

    def _say(self) -> None:
        ratio, most = self._minutes.reject_ratio, self._settings.max_reject_ratio
        if ratio > most:
            logger.warning("many rejects: share=%.2f max_reject_ratio=%.2f, see the dead letters", ratio, most)
        logger.info(self._minutes.line(self._worked_s()))

    def _worked_s(self) -> dict[str, float]:
        return {name: pulse.worked_s for feed in self._feeds.values() for name, pulse in feed.stages.items()}

    def _watch(self, moment: Moment) -> None:
        if isinstance(moment, Retried):
            self._outage_s = time.monotonic()
        self.metrics(moment)
        self._minutes(moment)
        self._watch_too(moment)


def _worked_s(pulse: Pulse) -> float:
    return pulse.worked_s


def _quick(settings: Settings) -> Milvus:
    """A call that lasts must end before the group may give this member's partitions away."""
    longest_s = settings.stream.session_timeout_s / 2
    return settings.milvus.model_copy(update={"timeout_s": min(settings.milvus.timeout_s, longest_s)})


def _engine(settings: Settings) -> MakeEmbedder:
    from vitrine.vision.engine import engine_of
    from vitrine.vision.time_limit import DecodeOrEnd

    decode = DecodeOrEnd()  # one for all models: a process has one such timer

    def make(model_id: str) -> Embedder:
        model = settings.model
        engine = engine_of(model_id, model.store, settings.pictures, model.device, precision=model.precision)
        return engine.decoding_with(decode)

    return make
