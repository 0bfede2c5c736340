"""What stands in front of the HTTP application: key, size limit, and an end to work nobody waits for.

An ASGI middleware. The body is read here, bounded, before anything looks at it; afterwards the only message a client
can send is that it has gone, and then the handler, and with it the engine's work, is cancelled.
"""

import asyncio
import hmac
import json
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN_PATHS = frozenset({"/health"})


class Guard:
    """Checks the bearer `token` (if there is one), limits bodies to `max_body_bytes`, cancels on disconnect."""

    def __init__(self, app: ASGIApp, *, token: str | None, max_body_bytes: int) -> None:
        self.app, self.max_body_bytes = app, max_body_bytes
        self.expected = f"Bearer {token}".encode() if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if self.expected is not None and scope["path"] not in OPEN_PATHS:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, self.expected):
                await refuse(send, 401, "the key is missing or wrong", "send it as: Authorization: Bearer <key>")
                return
        body = await self._body(receive)
        if body is None:
            await refuse(send, 413, f"the request is above {self.max_body_bytes} bytes", "send less text")
            return
        await self._run(scope, body, receive, send)

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body, or None if it is too large."""
        parts, size = [], 0
        while True:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.max_body_bytes:
                return None
            if not message.get("more_body"):
                return b"".join(parts)

    async def _run(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        gone = asyncio.create_task(_disconnected(receive))

        async def replay() -> Message:
            return waiting.pop() if waiting else await asyncio.shield(gone)

        handler = asyncio.create_task(_handled(self.app(scope, replay, send)))
        try:
            await asyncio.wait({handler, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not handler.done():
                handler.cancel()
        await asyncio.wait({handler})
        if not handler.cancelled():
            handler.result()


async def _handled(work: Any) -> None:
    await work


async def _disconnected(receive: Receive) -> Message:
    while (message := await receive())["type"] != "http.disconnect":
        pass
    return message


async def refuse(send: Send, status: int, message: str, hint: str) -> None:
    """Answer an error in the form all errors of the API have."""
    content = json.dumps({"error": {"message": message, "hint": hint}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
