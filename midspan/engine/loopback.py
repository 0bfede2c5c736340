"""As much of an HTTP client as talking to our own child over loopback takes.

An answer comes in an event per token, and what reading it costs is taken from the cores that llama.cpp computes with:
see docs/benchmarks.md, "Keystroke to suggestion". A connection serves one request, since llama.cpp may close an old one
just as the next is written to it, and is cut, not closed, when it is done with: llama.cpp then sees it at once.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

LONGEST_LINE = 1 << 20


class Broken(Exception):
    """The connection cannot be made or broke before the answer was whole."""


@dataclass(frozen=True)
class Answer:
    """The head of an answer; `parts` and `whole` read its body, once."""

    status: int
    headers: dict[bytes, bytes]
    reader: asyncio.StreamReader

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives. Raises Broken."""
        try:
            if self.headers.get(b"transfer-encoding", b"").lower() != b"chunked":
                yield await self.reader.readexactly(int(self.headers.get(b"content-length", 0)))
                return
            while size := int(await self.reader.readline(), 16):
                yield (await self.reader.readexactly(size + 2))[:-2]
        except (OSError, EOFError, ValueError) as error:
            raise Broken from error

    async def whole(self) -> bytes:
        """The whole body. Raises Broken."""
        return b"".join([part async for part in self.parts()])


@asynccontextmanager
async def exchange(address: str, path: str, key: str, content: bytes | None = None) -> AsyncGenerator[Answer, None]:
    """One request to `address` ("http://127.0.0.1:port"): a POST of the JSON `content`, or a GET if it is None.

    The connection is cut when the block is left. Raises Broken.
    """
    host = urlsplit(address)
    head = f"{'GET' if content is None else 'POST'} {path} HTTP/1.1\r\nHost: {host.netloc}\r\nConnection: close\r\n"
    head += (
        f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {len(content or b'')}\r\n"
    )
    try:
        reader, writer = await asyncio.open_connection(host.hostname, host.port, limit=LONGEST_LINE)
    except OSError as error:
        raise Broken from error
    try:
        writer.write(head.encode() + b"\r\n" + (content or b""))
        yield await _answer(reader)
    finally:
        writer.transport.abort()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    try:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        fields = (line.partition(b":") for line in lines if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        return Answer(int(first.split()[1]), headers, reader)
    except (OSError, EOFError, asyncio.LimitOverrunError, ValueError, IndexError) as error:
        raise Broken from error
