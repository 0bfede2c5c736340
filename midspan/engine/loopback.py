"""As much of an HTTP client as talking to an inference server without TLS takes.

An answer comes in an event per token, and what reading it costs is taken from the cores that serve: see
docs/benchmarks.md, "Keystroke to suggestion". A connection to our own child serves one request, since llama.cpp may
close an old one just as the next is written to it, and is cut, not closed, when it is done with: llama.cpp then sees it
at once. `midspan.engine.connections` keeps those to other servers open.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

LONGEST_LINE = 1 << 20


class Broken(Exception):
    """The connection cannot be made or broke before the answer was whole; `str` says how, never what was sent."""


@dataclass
class Answer:
    """The head of an answer; `parts` and `whole` read its body, once.

    `read` says whether the connection holds nothing of it any more. Reading waits `seconds` for each part, None for
    ever.
    """

    status: int
    headers: dict[bytes, bytes]
    reader: asyncio.StreamReader
    seconds: float | None = None
    read: bool = False

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives. Raises Broken."""
        try:
            if self.headers.get(b"transfer-encoding", b"").lower() == b"chunked":
                while part := await self._chunk():
                    yield part
                self.read = True
            elif (length := self.headers.get(b"content-length")) is not None:
                async with asyncio.timeout(self.seconds):
                    part = await self.reader.readexactly(int(length))
                self.read = True
                yield part
            else:
                while not self.reader.at_eof():
                    async with asyncio.timeout(self.seconds):
                        part = await self.reader.read(LONGEST_LINE)
                    yield part
        except (OSError, EOFError, ValueError) as error:
            raise Broken(type(error).__name__) from error

    async def whole(self) -> bytes:
        """The whole body. Raises Broken."""
        return b"".join([part async for part in self.parts()])

    async def _chunk(self) -> bytes:
        """The next chunk, empty at the end."""
        async with asyncio.timeout(self.seconds):
            size = int((await self.reader.readline()).partition(b";")[0], 16)
            if size:
                return (await self.reader.readexactly(size + 2))[:-2]
            while (await self.reader.readline()).strip():
                pass  # trailers
            return b""


@asynccontextmanager
async def exchange(address: str, path: str, key: str, content: bytes | None = None) -> AsyncGenerator[Answer, None]:
    """One request to `address` ("http://127.0.0.1:port"): a POST of the JSON `content`, or a GET if it is None.

    The connection is cut when the block is left. Raises Broken.
    """
    host = urlsplit(address)
    try:
        reader, writer = await asyncio.open_connection(host.hostname, host.port, limit=LONGEST_LINE)
    except OSError as error:
        raise Broken(type(error).__name__) from error
    try:
        writer.write(message(host.netloc, path, f"Connection: close\r\nAuthorization: Bearer {key}\r\n", content))
        yield await read_answer(reader)
    finally:
        writer.transport.abort()


def message(host: str, path: str, fields: str, content: bytes | None) -> bytes:
    """A request with the header `fields`, each with its line end: a POST of the JSON `content`, or a GET."""
    if content is None:
        return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\n{fields}"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


async def read_answer(reader: asyncio.StreamReader, seconds: float | None = None) -> Answer:
    """The head of an answer, waited for `seconds`. Raises Broken."""
    try:
        async with asyncio.timeout(seconds):
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        fields = (line.partition(b":") for line in lines if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        return Answer(int(first.split()[1]), headers, reader, seconds)
    except (OSError, EOFError, asyncio.LimitOverrunError, ValueError, IndexError) as error:
        raise Broken(type(error).__name__) from error
