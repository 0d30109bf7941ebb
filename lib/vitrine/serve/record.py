"""What every request gets: an id, headers that keep browsers strict, a place in the metrics, and an answer."""

import logging
import time
import traceback
import uuid
from collections.abc import Callable, Iterable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vitrine.serve.metrics import Metrics
from vitrine.serve.problems import fault

logger = logging.getLogger(__name__)


def security_headers(image_origins: Iterable[str]) -> dict[str, str]:
    """Headers of every answer; pictures may come from these origins too."""
    pictures = " ".join(("'self'", "blob:", *image_origins))
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {pictures}; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


class Record:
    """The outermost middleware. Of a request it keeps its address in the description, status and time, nothing else."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        image_origins: Iterable[str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._headers = security_headers(image_origins)
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The interface of ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status, started_s = 0, self._clock()

        async def stamped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers.setdefault("Cache-Control", "no-store")  # a shared cache knows nothing of keys
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, stamped)
        except Exception as error:  # noqa: BLE001  # the service outlives every request
            _log_fault(request_id, error)
            if not status:
                await fault().response(scope)(scope, receive, stamped)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.answered(route, status, self._clock() - started_s)


def _log_fault(request_id: str, error: Exception) -> None:
    """Where it happened, without the error's own text, which may hold what the caller sent."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("fault request_id=%s error=%s\n%s", request_id, type(error).__name__, frames)
