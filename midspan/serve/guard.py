"""What stands in front of the HTTP application: token, origin, limits, and an end to work nobody waits for.

Without a key, requests over a loopback address must name that address: a web page open in the user's browser can send
requests there too, under its own origin or under a name of its own that leads to the address (DNS rebinding).

An ASGI middleware. The body is read here, bounded, before anything looks at it; afterwards the only message a client
can send is that it has gone, and then the handler, and with it the engine's work, is cancelled.
"""

import asyncio
import ipaddress
import json
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from midspan.errors import MidspanError
from midspan.serve.auth import Tokens
from midspan.serve.caller import Caller
from midspan.serve.dialects.errors import error_answer

MAX_BODY_BYTES = 8_000_000
BODY_SECONDS = 10.0
"""How long a client may take to send its request: a few seconds on a slow line, not for ever."""
MAX_HEADERS = 100
TIMEOUT_HEADER = b"x-request-timeout-ms"
MAX_TIMEOUT_MS = 600_000
OPEN_PATHS = frozenset({"/health"})
NAMING_HEADERS = (b"host", b"origin")
"""Headers in which browsers say, and pages cannot change, whom a request is for and who sends it."""


class Disconnected(Exception):
    """The client has gone before its request was whole."""


class Guard:
    """Checks the bearer token against `tokens`, without them the origin; cancels on disconnect.

    A body may have `max_body_bytes` and take `body_seconds`. The request's Caller gets its user and its time limit.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        tokens: Tokens | None,
        max_body_bytes: int = MAX_BODY_BYTES,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self.app, self.tokens = app, tokens
        self.max_body_bytes, self.body_seconds = max_body_bytes, body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        caller = scope.setdefault("state", {}).setdefault("caller", Caller())
        headers = dict(scope["headers"])
        if self.tokens is not None and scope["path"] not in OPEN_PATHS:
            user = self.tokens.user(headers.get(b"authorization", b""))
            if user is None:
                await refuse(scope, send, 401, "the key is missing or wrong", "send it as: Authorization: Bearer <key>")
                return
            caller.user = user
        if self.tokens is None and _is_loopback(scope) and not _names_loopback(headers):
            hint = "call it by localhost or its address, not from a web page, or start it with a token"
            await refuse(scope, send, 403, "this server answers its own machine only", hint)
            return
        if len(scope["headers"]) > MAX_HEADERS:
            await refuse(scope, send, 431, f"the request has more than {MAX_HEADERS} headers", "send fewer")
            return
        if (timeout := headers.get(TIMEOUT_HEADER)) is not None:
            if not timeout.isdigit() or not 1 <= int(timeout[:9]) <= MAX_TIMEOUT_MS:
                await refuse(scope, send, 400, f"{TIMEOUT_HEADER.decode()} is a number from 1 to {MAX_TIMEOUT_MS}", "")
                return
            caller.timeout_s = int(timeout) / 1000
        try:
            async with asyncio.timeout(self.body_seconds):
                body = await self._body(receive)
        except Disconnected:
            return
        except TimeoutError:
            await refuse(scope, send, 408, f"the request was not whole after {self.body_seconds} s", "send it faster")
            return
        if body is None:
            await refuse(scope, send, 413, f"the request is above {self.max_body_bytes} bytes", "send less text")
            return
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

        answering = False

        async def answer(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        handler = asyncio.create_task(_handled(self.app(scope, replay, answer)))
        try:
            await asyncio.wait({handler, gone}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            handler.cancel()
            await asyncio.wait({handler})
            if answering:
                raise
            await refuse(scope, send, 503, "the server is ending", "send the request again, to its successor")
            return
        finally:
            gone.cancel()
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


async def refuse(scope: Scope, send: Send, status: int, message: str, hint: str) -> None:
    """Answer an error in the form of the dialect that the path belongs to."""
    content = json.dumps(error_answer(scope["path"], status, MidspanError(message, hint))).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
