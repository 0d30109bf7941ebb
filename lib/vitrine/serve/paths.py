"""Ids in addresses: one segment each, whatever they hold."""

from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from vitrine.serve.problems import Problem
from vitrine.serve.rules import IMAGES, PRODUCTS


class Segments:
    """Middleware that leaves the segments of addresses with ids encoded, so that a `%2F` stays inside its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The interface of ASGI."""
        raw = scope.get("raw_path", b"").decode("latin-1")
        if scope["type"] == "http" and raw.startswith((PRODUCTS, IMAGES)):
            scope["path"] = raw
        await self._app(scope, receive, send)


def decoded(segment: str, missing: Problem) -> str:
    """The id in a segment; `missing` is raised where it is no text, since nothing has that id."""
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise missing from None
