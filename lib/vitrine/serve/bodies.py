"""Bodies within their size and time, and work that ends when its caller is gone or its time is over."""

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vitrine.serve.lingering import refuse
from vitrine.serve.problems import Problem, again
from vitrine.serve.rules import Work, work_of
from vitrine.settings import Serve


class _HungUp(Exception):
    """The caller is gone."""


class Bodies:
    """Middleware that reads the whole body, which only dear addresses take, then works as long as somebody waits."""

    def __init__(self, app: ASGIApp, settings: Serve) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The interface of ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            # Only who holds one of the few places may fill memory.
            most = self._settings.max_body_bytes if work_of(scope["path"]) is Work.ASKING else 0
            _check_declared(Headers(scope=scope).get("content-length", ""), most)
            body = await self._read(receive, most)
        except Problem as problem:
            await refuse(problem, scope, receive, send)
        except _HungUp:
            pass
        else:
            await self._work(body, scope, receive, send)

    async def _read(self, receive: Receive, most: int) -> bytes:
        read = bytearray()
        try:
            async with asyncio.timeout(self._settings.body_timeout_s):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _HungUp
                    read += message.get("body", b"")
                    if len(read) > most:
                        raise _too_large(most)
                    more = message.get("more_body", False)
        except TimeoutError:
            seconds = self._settings.body_timeout_s
            raise Problem(408, "too_slow", f"The body did not arrive within {seconds:g} s: send it again.") from None
        return bytes(read)

    async def _work(self, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(send)
        work = asyncio.ensure_future(self._app(scope, _replayed(body), answer))
        gone = asyncio.ensure_future(_hung_up(receive))
        try:
            done, _ = await asyncio.wait(
                {work, gone}, timeout=self._settings.timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            ended = work.done()
            work.cancel()
            gone.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)
        if ended:
            work.result()
        elif not done and not answer.begun:
            late = again(503, "too_late", f"The answer was not ready within {self._settings.timeout_s:g} s", 1)
            await late.response(scope)(scope, receive, send)


def _check_declared(length: str, most: int) -> None:
    if length.isascii() and length.isdigit() and int(length) > most:
        raise _too_large(most)


def _too_large(most: int) -> Problem:
    if not most:
        return Problem(413, "too_large", "This address takes no body: send the request without one.")
    return Problem(413, "too_large", f"The body is over {most / 1_000_000:g} MB: send a smaller picture.")


class _Answer:
    """`send`, and whether anything was sent."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def __call__(self, message: Message) -> None:
        """See `send` of ASGI."""
        self.begun = True
        await self._send(message)


def _replayed(body: bytes) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()  # who hangs up is noticed outside
        return waiting.pop()

    return receive


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
