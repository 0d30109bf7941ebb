"""Refusals that reach a caller who is still sending."""

import asyncio

from starlette.types import Message, Receive, Scope, Send

from vitrine.serve.problems import Problem

LINGER_S = 2.0
"""How long a body is thrown away after its refusal: closing at once would destroy the answer on its way (RST)."""


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the problem before the body was read; the connection is closed after it."""
    held: list[Message] = []

    async def start(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)
        else:
            await send({**message, "more_body": True})
            held.append({"type": "http.response.body", "body": b""})

    await problem.response(scope)(scope, receive, start)
    try:
        async with asyncio.timeout(LINGER_S):
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass
    except TimeoutError:
        pass
    for message in held:
        await send(message)
