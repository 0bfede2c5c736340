"""Connections to a remote inference server, kept open between requests.

Without TLS they are made here, since a general HTTP client takes several milliseconds of a core for each request
(docs/benchmarks.md, "The server before a remote engine"); with TLS, a user's name in the URL, or a proxy named by the
environment, by httpx.

A server may close an old connection just as a request is written to it. Nothing has come back then, and the request is
sent once more over a new one.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from midspan.engine.loopback import LONGEST_LINE, Answer, Broken, message, read_answer

CONNECT_SECONDS = 10.0
READ_SECONDS = 300.0
IDLE_SECONDS = 30.0
"""How long a connection may lie unused before it is no longer trusted: what stands between may have forgotten it."""
MAX_IDLE = 128


class Body(Protocol):
    """An answer: its status and, once, its body. Both ways of reading raise Broken."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    def parts(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives."""
        ...

    async def whole(self) -> bytes:
        """The whole body."""
        ...


class Server(Protocol):
    """A server that can be asked; `url` is its root."""

    url: str

    def exchange(self, path: str, content: bytes | None = None) -> AbstractAsyncContextManager[Body]:
        """One request: a POST of the JSON `content`, or a GET if it is None. Leaving the block ends it at the server.

        Raises Broken.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def server_at(url: str, headers: Mapping[str, str]) -> Server:
    """The server at the root `url`; `headers` go with every request. Raises ValueError if that is no URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it names no server")
    _ = parts.port  # looked at, since it raises if it is no number
    proxied = bool(getproxies().keys() & {parts.scheme, "all"}) and not proxy_bypass(parts.hostname)
    plain = parts.scheme == "http" and not proxied and parts.username is None
    return _Plain(url, headers) if plain else _Httpx(url, headers)


@dataclass
class _Link:
    """A connection, and since when nobody uses it (a reading of `time.monotonic`)."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    since: float = 0.0

    @property
    def usable(self) -> bool:
        """Whether another request may be sent over it."""
        alive = not self.reader.at_eof() and not self.writer.transport.is_closing()
        return alive and time.monotonic() - self.since < IDLE_SECONDS


class _Plain:
    """A Server without TLS."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url, parts = url, urlsplit(url)
        self._name, self._port, self._host = parts.hostname, parts.port or 80, parts.netloc
        self._root = parts.path.rstrip("/")
        self._fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._idle: list[_Link] = []  # used last at the end

    @asynccontextmanager
    async def exchange(self, path: str, content: bytes | None = None) -> AsyncGenerator[Answer, None]:
        """See Server."""
        request = message(self._host, self._root + path, self._fields, content)
        link, answer = await self._sent_again(request) or await _sent(await self._connected(), request)
        try:
            yield answer
        finally:
            if answer.read and answer.headers.get(b"connection", b"").lower() != b"close":
                self._keep(link)
            else:
                link.writer.transport.abort()

    async def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop().writer.transport.abort()

    async def _sent_again(self, request: bytes) -> tuple[_Link, Answer] | None:
        """Send over a connection that was used before; None if there is none that works."""
        while self._idle:
            link = self._idle.pop()
            if link.usable:
                try:
                    return await _sent(link, request)
                except Broken:
                    return None
            link.writer.transport.abort()
        return None

    async def _connected(self) -> _Link:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return _Link(*await asyncio.open_connection(self._name, self._port, limit=LONGEST_LINE))
        except OSError as error:  # a TimeoutError is one too
            raise Broken(type(error).__name__) from error

    def _keep(self, link: _Link) -> None:
        link.since = time.monotonic()
        self._idle.append(link)
        if len(self._idle) > MAX_IDLE:
            self._idle.pop(0).writer.transport.abort()


async def _sent(link: _Link, request: bytes) -> tuple[_Link, Answer]:
    """Send a request and wait for the head of its answer."""
    try:
        link.writer.write(request)
        return link, await read_answer(link.reader, READ_SECONDS)
    except BaseException:
        link.writer.transport.abort()
        raise


@dataclass(frozen=True)
class _HttpxBody:
    """A Body that httpx reads."""

    response: httpx.Response

    @property
    def status(self) -> int:
        """See Body."""
        return self.response.status_code

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """See Body."""
        try:
            async for part in self.response.aiter_bytes():
                yield part
        except httpx.RequestError as error:
            raise Broken(type(error).__name__) from error

    async def whole(self) -> bytes:
        """See Body."""
        return b"".join([part async for part in self.parts()])


class _Httpx:
    """A Server over TLS or behind a proxy."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url = url
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        self._client = httpx.AsyncClient(base_url=url, headers=dict(headers), timeout=timeout)

    @asynccontextmanager
    async def exchange(self, path: str, content: bytes | None = None) -> AsyncGenerator[_HttpxBody, None]:
        """See Server."""
        method, fields = ("GET", {}) if content is None else ("POST", {"Content-Type": "application/json"})
        request = self._client.build_request(method, path, content=content, headers=fields)
        try:
            try:
                response = await self._client.send(request, stream=True)
            except httpx.RemoteProtocolError:
                response = await self._client.send(request, stream=True)
        except httpx.RequestError as error:
            raise Broken(type(error).__name__) from error
        try:
            yield _HttpxBody(response)
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
