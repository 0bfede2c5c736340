import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.engine.loopback import Broken, exchange

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


def ask(answer: bytes, content: bytes | None = b"{}", size: int = 1 << 16) -> tuple[int, bytes, bytes]:
    """Status and body as read from a server that sends `answer` in pieces, and what it was sent."""
    sent = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        sent = await reader.readuntil(b"\r\n\r\n") + (await reader.readexactly(len(content)) if content else b"")
        for start in range(0, len(answer), size):
            writer.write(answer[start : start + size])
            await asyncio.sleep(0)
        writer.close()

    async def run() -> tuple[int, bytes]:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with exchange(address, "/path", "secret", content) as given:
                return given.status, await given.whole()

    return *asyncio.run(run()), sent


def chunked(parts: list[bytes]) -> bytes:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(1, 9))
def test_a_body_comes_whole_however_it_is_cut_on_its_way(parts, size):
    assert ask(chunked(parts), size=size)[:2] == (200, b"".join(parts))


def test_requests_carry_key_and_content():
    status, body, sent = ask(b"HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\n\r\nno!", b'{"a": 1}')
    assert (status, body) == (404, b"no!")
    assert sent.startswith(b"POST /path HTTP/1.1\r\n") and sent.endswith(b'\r\n\r\n{"a": 1}')
    assert b"\r\nAuthorization: Bearer secret\r\n" in sent
    assert ask(chunked([]), None)[2].startswith(b"GET /path HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        HEAD[:-1],
        HEAD + b"Content-Length: 9\r\n\r\nshort",
        chunked([b"data"])[:-7],
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
def test_an_answer_that_breaks_off_is_broken(answer):
    with pytest.raises(Broken):
        ask(answer)


def test_nobody_there_is_broken():
    async def run() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        async with exchange(f"http://127.0.0.1:{port}", "/", "secret"):
            pass

    with pytest.raises(Broken):
        asyncio.run(run())
