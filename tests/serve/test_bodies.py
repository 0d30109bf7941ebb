"""Size, time and disconnects, on an application that the tests hold up."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from vitrine.serve import lingering
from vitrine.serve.admission import Admission
from vitrine.serve.bodies import Bodies
from vitrine.serve.metrics import Metrics
from vitrine.settings import Serve

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Caller:
    """One request: parts of its body, then silence; what it was answered."""

    def __init__(self, *parts: bytes, ended: bool = True, path: str = "/search", **headers: str) -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        }
        self._waiting = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        if ended and self._waiting:
            self._waiting[-1]["more_body"] = False
        self.read = 0
        self.left = asyncio.Event()
        self.told: list[Message] = []

    async def receive(self) -> Message:
        if self._waiting:
            self.read += 1
            return self._waiting.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.told.append(message)

    @property
    def status(self) -> int:
        return int(self.told[0]["status"])

    @property
    def code(self) -> str:
        return str(json.loads(b"".join(one.get("body", b"") for one in self.told))["code"])


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers the body."""
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


def small(**settings: Any) -> Serve:
    return Serve(max_picture_bytes=1_000, **settings)


@pytest.fixture(autouse=True)
def short_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "LINGER_S", 0.05)


def test_a_body_in_parts_arrives_whole() -> None:
    async def run() -> None:
        caller = Caller(b"ab", b"", b"cd")
        await Bodies(echo, small())(caller.scope, caller.receive, caller.send)
        assert (caller.status, caller.told[1]["body"]) == (200, b"abcd")

    asyncio.run(run())


def test_a_body_that_is_declared_too_large_is_refused_before_it_is_read() -> None:
    async def run() -> None:
        caller = Caller(path="/search", content_length="301001")
        await Bodies(echo, small())(caller.scope, caller.receive, caller.send)
        assert (caller.status, caller.code, caller.read) == (413, "too_large", 0)
        assert (b"connection", b"close") in caller.told[0]["headers"]

    asyncio.run(run())


def test_a_body_without_a_length_is_refused_once_it_is_too_large() -> None:
    async def run() -> None:
        caller = Caller(*[b"x" * 100_000] * 9)
        await Bodies(echo, small())(caller.scope, caller.receive, caller.send)
        assert (caller.status, caller.code) == (413, "too_large")

    asyncio.run(run())


def test_the_largest_body_is_read() -> None:
    async def run() -> None:
        caller = Caller(b"x" * 301_000, content_length="301000")
        await Bodies(echo, small())(caller.scope, caller.receive, caller.send)
        assert caller.status == 200

    asyncio.run(run())


@pytest.mark.parametrize("path", ["/", "/about", "/ready", "/metrics", "/static/app.js", f"/thumbs/{'0' * 64}.webp"])
def test_where_nothing_is_asked_no_body_is_kept(path: str) -> None:
    async def run() -> None:
        for caller in (Caller(path=path, content_length="1"), Caller(b"x", path=path)):
            await Bodies(echo, small())(caller.scope, caller.receive, caller.send)
            assert (caller.status, caller.code) == (413, "too_large")
        empty = Caller(b"", path=path, content_length="0")
        await Bodies(echo, small())(empty.scope, empty.receive, empty.send)
        assert empty.status == 200

    asyncio.run(run())


def test_a_body_that_never_ends_is_refused_in_time() -> None:
    async def run() -> None:
        caller = Caller(b"x", ended=False)
        await Bodies(echo, small(body_timeout_s=0.05))(caller.scope, caller.receive, caller.send)
        assert (caller.status, caller.code) == (408, "too_slow")

    asyncio.run(run())


def test_an_answer_that_takes_too_long_is_cut_short_and_says_when_to_come_again() -> None:
    ended = []

    async def forever(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def run() -> None:
        caller = Caller(b"x")
        await Bodies(forever, small(timeout_s=0.05))(caller.scope, caller.receive, caller.send)
        assert (caller.status, caller.code) == (503, "too_late")
        assert (b"retry-after", b"1") in caller.told[0]["headers"]

    asyncio.run(run())
    assert ended == [True]


def test_callers_who_hang_up_free_their_places() -> None:
    async def run() -> None:
        begun, ended = asyncio.Semaphore(0), []

        async def forever(scope: Scope, receive: Receive, send: Send) -> None:
            begun.release()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        metrics = Metrics()
        service = Admission(Bodies(forever, small()), 20, metrics)
        callers = [Caller(b"x") for _ in range(20)]
        asked = [asyncio.ensure_future(service(one.scope, one.receive, one.send)) for one in callers]
        for _ in callers:
            await begun.acquire()
        late = Caller(b"x")
        await service(late.scope, late.receive, late.send)
        assert (late.status, late.code) == (429, "busy")
        assert (b"retry-after", b"1") in late.told[0]["headers"]
        assert b"vitrine_places_taken 20.0" in metrics.text()
        for one in callers:
            one.left.set()
        await asyncio.gather(*asked)
        assert len(ended) == 20
        assert b"vitrine_places_taken 0.0" in metrics.text()
        assert not any(one.told for one in callers)
        assert not service._asking.taken

    asyncio.run(run())


def test_a_caller_who_leaves_while_sending_is_forgotten() -> None:
    async def run() -> None:
        caller = Caller(b"x", ended=False)
        caller.left.set()
        await Bodies(echo, small())(caller.scope, caller.receive, caller.send)
        assert caller.told == []

    asyncio.run(run())


def test_an_error_of_the_application_is_not_swallowed() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("x")

    async def run() -> None:
        caller = Caller(b"x")
        with pytest.raises(KeyError):
            await Bodies(broken, small())(caller.scope, caller.receive, caller.send)

    asyncio.run(run())


def test_probes_and_small_files_are_answered_when_all_places_are_taken() -> None:
    async def run() -> None:
        service = Admission(echo, 1, Metrics())
        service._asking.take()
        for path in ("/live", "/ready", "/metrics", "/static/app.css", f"/thumbs/{'0' * 64}.webp"):
            caller = Caller(b"", path=path)
            await service(caller.scope, caller.receive, caller.send)
            assert caller.status == 200

    asyncio.run(run())
