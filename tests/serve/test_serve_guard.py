"""The guard alone, in front of an application that answers 200 to everything."""

import asyncio

import httpx
import pytest

from midspan.serve.auth import Tokens, add_token
from midspan.serve.guard import MAX_HEADERS, Guard


async def application(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def status(url: str, headers: dict[str, str], tokens: Tokens | None = None) -> int:
    async def ask() -> int:
        guard = Guard(application, tokens=tokens, max_body_bytes=100)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guard)) as client:
            return (await client.post(url, headers=headers)).status_code

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),
        ({"Host": "localhost:8012"}, 200),
        ({"Host": "[::1]:8012"}, 200),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Host": "page.example:8012"}, 403),
        ({"Host": "localhost.page.example"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Origin": "https://page.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_web_pages_cannot_ask_a_loopback_server(headers, expected):
    assert status("http://127.0.0.1:8012/", headers) == expected


def test_with_a_token_or_on_a_network_the_name_is_free(tmp_path):
    token = add_token(tmp_path / "tokens", "ann")
    headers = {"Host": "proxy.example", "Authorization": f"Bearer {token}"}
    assert status("http://127.0.0.1:8012/", headers, Tokens(tmp_path / "tokens")) == 200
    assert status("http://192.0.2.1:8012/", {"Host": "proxy.example"}) == 200


def test_a_request_that_breaks_off_is_not_served():
    messages = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    called = []

    async def receive():
        return messages.pop(0)

    async def noted(*_):
        called.append("application")

    async def send(message):
        called.append(message)

    asyncio.run(
        Guard(noted, tokens=None, max_body_bytes=100)({"type": "http", "path": "/", "headers": []}, receive, send)
    )
    assert called == []


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Request-Timeout-Ms": "250"}, 200),
        ({"X-Request-Timeout-Ms": "0"}, 400),
        ({"X-Request-Timeout-Ms": "-1"}, 400),
        ({"X-Request-Timeout-Ms": "1.5"}, 400),
        ({"X-Request-Timeout-Ms": "9" * 40}, 400),
        ({f"X-{number}": "1" for number in range(MAX_HEADERS + 1)}, 431),
    ],
)
def test_headers_have_limits(headers, expected):
    assert status("http://127.0.0.1:8012/", headers) == expected


def test_a_body_that_takes_too_long_is_refused():
    sent = []

    async def receive():
        await asyncio.sleep(3600)

    async def send(message):
        sent.append(message)

    guard = Guard(application, tokens=None, body_seconds=0.01)
    asyncio.run(guard({"type": "http", "path": "/", "headers": []}, receive, send))
    assert sent[0]["status"] == 408
