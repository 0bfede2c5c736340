import asyncio
from collections.abc import Awaitable, Callable

import pytest

from midspan.engine.connections import Server, _Httpx, _Plain, server_at
from midspan.engine.loopback import Broken

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;note=1\r\nwho\r\n2\r\nle\r\n0\r\nTrailer: 1\r\n\r\n"
TO_THE_END = b"HTTP/1.0 200 OK\r\n\r\nwhole"


class Answers:
    """A server that sends one answer after the other, over any connections; None ends the connection instead."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers, self.connections, self.ended = list(answers), 0, asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (await reader.readuntil(b"\r\n\r\n")) and (answer := self.answers.pop(0)):
                writer.write(answer)
                if answer is TO_THE_END:
                    break
        except (EOFError, ConnectionError):
            self.ended.set()
        writer.close()


def with_server(answers: Callable[[], Answers], kind: type, use: Callable[[Server, Answers], Awaitable[None]]) -> None:
    async def run() -> None:
        given = answers()
        async with await asyncio.start_server(given.serve, "127.0.0.1", 0) as listener:
            server = kind(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", {"Authorization": "Bearer x"})
            try:
                await use(server, given)
            finally:
                await server.close()

    asyncio.run(run())


async def get(server: Server) -> bytes:
    async with server.exchange("/path") as answer:
        return await answer.whole()


@pytest.mark.parametrize("kind", [_Plain, _Httpx])
def test_a_connection_serves_many_requests_and_a_closed_one_is_replaced(kind):
    async def use(server: Server, given: Answers) -> None:
        assert [await get(server) for _ in range(3)] == [b"whole"] * 3
        assert given.connections == 1
        assert await get(server) == b"whole"  # the old connection is closed unanswered: asked again over a new one
        assert given.connections == 2
        assert await get(server) == b"whole"
        assert await get(server) == b"whole"

    with_server(lambda: Answers(LENGTH, CHUNKS, LENGTH, None, CHUNKS, TO_THE_END, LENGTH), kind, use)


@pytest.mark.parametrize("kind", [_Plain, _Httpx])
def test_an_answer_that_is_left_unread_ends_its_connection(kind):
    async def use(server: Server, given: Answers) -> None:
        async with server.exchange("/path") as answer:
            assert await anext(answer.parts()) == b"who"
        await given.ended.wait()
        assert await get(server) == b"whole"
        assert given.connections == 2

    with_server(lambda: Answers(CHUNKS[:-20], LENGTH), kind, use)


@pytest.mark.parametrize("kind", [_Plain, _Httpx])
def test_a_server_that_only_hangs_up_is_broken(kind):
    async def use(server: Server, given: Answers) -> None:
        with pytest.raises(Broken):
            await get(server)

    with_server(lambda: Answers(None, None, None), kind, use)


def test_httpx_speaks_tls_and_to_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert isinstance(server_at("http://127.0.0.1:1", {}), _Plain)
    assert isinstance(server_at("https://127.0.0.1:1", {}), _Httpx)
    assert isinstance(server_at("http://name:secret@127.0.0.1:1", {}), _Httpx)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:2")
    assert isinstance(server_at("http://example.org", {}), _Httpx)
    monkeypatch.setenv("no_proxy", "example.org")
    assert isinstance(server_at("http://example.org", {}), _Plain)
    for wrong in ("http://x:port", "ftp://x", "http://"):
        with pytest.raises(ValueError):
            server_at(wrong, {})
