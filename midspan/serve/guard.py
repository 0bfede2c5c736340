"""What stands in front of the HTTP application: key, origin, size limit, and an end to work nobody waits for.

Without a key, requests over a loopback address must name that address: a web page open in the user's browser can send
requests there too, under its own origin or under a name of its own that leads to the address (DNS rebinding).

An ASGI middleware. The body is read here, bounded, before anything looks at it; afterwards the only message a client
can send is that it has gone, and then the handler, and with it the engine's work, is cancelled.
"""

import asyncio
import hmac
import ipaddress
import json
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from midspan.serve.service import Caller

OPEN_PATHS = frozenset({"/health"})
NAMING_HEADERS = (b"host", b"origin")
"""Headers in which browsers say, and pages cannot change, whom a request is for and who sends it."""


class Disconnected(Exception):
    """The client has gone before its request was whole."""


class Guard:
    """Checks the bearer `token`, without one the origin; limits bodies to `max_body_bytes`; cancels on disconnect."""

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
        if self.expected is None and _is_loopback(scope) and not _names_loopback(headers):
            hint = "call it by localhost or its address, not from a web page, or start it with a token"
            await refuse(send, 403, "this server answers its own machine only", hint)
            return
        try:
            body = await self._body(receive)
        except Disconnected:
            return
        if body is None:
            await refuse(send, 413, f"the request is above {self.max_body_bytes} bytes", "send less text")
            return
        scope.setdefault("state", {})["caller"] = Caller()
        await self._run(scope, body, receive, send)

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body, or None if it is too large. Raises Disconnected."""
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
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


def _is_loopback(scope: Scope) -> bool:
    """Whether the request came in over a loopback address."""
    server = scope.get("server")
    return server is not None and _is_loopback_name(server[0])


def _names_loopback(headers: dict[bytes, bytes]) -> bool:
    """Whether all that say whom a request is for and who sends it mean this machine."""
    given = [headers[name].decode("latin-1") for name in NAMING_HEADERS if name in headers]
    return all(_is_loopback_name(_host_of(value)) for value in given)


def _host_of(value: str) -> str:
    """The host in `host:port` or `scheme://host:port`; "" if there is none."""
    try:
        return urlsplit(value if "://" in value else f"//{value}").hostname or ""
    except ValueError:
        return ""


def _is_loopback_name(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
