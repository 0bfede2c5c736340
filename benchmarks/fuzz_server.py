"""As many broken requests as a fast typist sends good ones in an hour, to a real server: no 500, and nobody sees
anything of anybody else.

Two users take turns at one embedded model (the `nano` shape with random weights, two slots). What they send starts from
the examples in the API's own description, for every route, and is broken in every layer: values of other types, sizes
and characters, missing and unknown fields, JSON that is none, bytes flipped, heads cut off, bodies that never end,
connections closed half-way. Every text a user sends holds that user's marker, also as path, name and header; no answer
to the other user, no metric and no log line may hold it. Between the broken requests good ones ask whether the server
still serves.

36,000 requests are an hour at ten a second, the rate that one user may have by default.

    python benchmarks/fuzz_server.py
"""

import argparse
import asyncio
import contextlib
import json
import random
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psutil
from random_model import random_model

from midspan.cli.main import guarded
from midspan.errors import MidspanError
from midspan.serve.auth import add_token

REQUESTS = 36_000
AT_ONCE = 8
ODD: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2**31,
        2**63,
        -(2**63) - 1,
        10**30,
        0.5,
        -0.0,
        1e308,
        "",
        " ",
        "\0",
        "\r\n",
        "\ud800",
    ),
    *(
        "<|endoftext|>",
        "<fim_prefix>",
        "<fim_middle>",
        "<filename>",
        "../../etc/passwd",
        "/etc/passwd",
        "file:///etc/passwd",
    ),
    *("é🙂𝔸", "\u202e", "a" * 5_000, "\n" * 5_000, "\t" * 200, "{{", "%s%n", "[]", [], {}, [[]], [None], {"": ""}),
]
"""Values where others are expected."""


def main() -> int:
    """Parse, fuzz, print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, help="a .gguf file instead of a random one")
    arguments = parser.parse_args()
    return guarded(lambda: fuzz(arguments.requests, arguments.seed, arguments.model or random_model("nano")))


def fuzz(requests: int, seed: int, model: Path) -> None:
    """Send the requests. Raises MidspanError for the first failure, with the request that made it."""
    with tempfile.TemporaryDirectory() as folder:
        tokens, log = Path(folder) / "tokens", Path(folder) / "log"
        users = [User(name, add_token(tokens, name)) for name in ("ann", "bob")]
        command = [sys.executable, "-m", "midspan.cli.main", "serve", "--model", str(model), "--port", "0"]
        settings = Path(folder) / "serve.toml"
        limits = "requests_per_minute = 1000000\nburst = 1000000\nconcurrent = 100\n"
        settings.write_text(f'log_level = "debug"\nslots = 2\ntoken_file = "{tokens}"\n[limits]\n{limits}')
        with log.open("w") as output:
            process = subprocess.Popen([*command, "--config", str(settings)], stdout=output, stderr=output)
        try:
            while (said := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text())) is None:
                if process.poll() is not None:
                    raise MidspanError(f"the server ended: {log.read_text()}")
                time.sleep(0.05)
            run = Run(users, int(said[1]), random.Random(seed))
            begun, before = time.monotonic(), psutil.Process(process.pid).memory_info().rss
            asyncio.run(run.all(requests))
            seconds, after = time.monotonic() - begun, psutil.Process(process.pid).memory_info().rss
            if process.poll() is not None:
                raise MidspanError(f"the server ended with code {process.returncode}")
        finally:
            process.terminate()
            process.wait()
        lines = log.read_text(encoding="utf-8", errors="replace")
        check_texts(users, lines, "the log")
        errors = [line for line in lines.splitlines() if '"level":"error"' in line]
        if errors:
            raise MidspanError(f"the log holds an error: {errors[0][:1_000]}")
    print(f"{requests:,} requests in {seconds:.0f} s, seed {seed}; memory {before / 1e6:.0f} -> {after / 1e6:.0f} MB")
    print("statuses:", ", ".join(f"{status or 'closed'}: {count:,}" for status, count in sorted(run.statuses.items())))
    print(f"by route: {', '.join(f'{path} {count:,}' for path, count in sorted(run.paths.items()))}")
    print("no 500, nothing of one user in the other's answers, the metrics or the log")


class User:
    """Whose requests hold a marker that nobody else may see."""

    def __init__(self, name: str, token: str) -> None:
        self.name, self.token = name, token
        self.marker = f"{name}_{secrets.token_hex(6)}"


def check_texts(users: list[User], text: str, where: str) -> None:
    """No marker in `text`. Raises MidspanError."""
    for user in users:
        if user.marker in text:
            at = text.index(user.marker)
            raise MidspanError(f"{where} holds what {user.name} sent: {text[max(0, at - 200) : at + 100]!r}")


class Run:
    """One run against the server at `port`."""

    def __init__(self, users: list[User], port: int, random: random.Random) -> None:
        self.users, self.port, self.random = users, port, random
        self.statuses: Counter[int] = Counter()
        self.paths: Counter[str] = Counter()
        self.examples: list[tuple[str, str, Any]] = []

    async def all(self, requests: int) -> None:
        """Send that many, some at once, and a good one after each hundred."""
        url = f"http://127.0.0.1:{self.port}"
        async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
            ann = {"Authorization": f"Bearer {self.users[0].token}"}
            description = (await client.get("/openapi.json", headers=ann)).json()
            self.examples = list(examples(description))
            left = iter(range(requests))

            async def some() -> None:
                for number in left:
                    user = self.users[number % 2]
                    await self.one(user)
                    if number % 100 == 0:
                        check_texts(self.users, (await client.get("/metrics", headers=ann)).text, "/metrics")
                        good = {"path": "a.py", "prefix": "x = ", "suffix": "\n", "max_new_tokens": 2}
                        good |= {"document": f"good {number}"}
                        answer = await client.post("/v1/midspan/completions", json=good, headers=ann)
                        if answer.status_code not in (200, 503):
                            raise MidspanError(f"a good request was answered {answer.status_code}: {answer.text}")

            await asyncio.gather(*(some() for _ in range(AT_ONCE)))

    async def one(self, user: User) -> None:
        """One broken request, on a connection of its own. Raises MidspanError if the answer is wrong."""
        method, path, body = self.random.choice(self.examples)
        self.paths[path] += 1
        raw = self.raw(user, method, path, body)
        answer = await self.send(raw, cut=self.random.random() < 0.03)
        text = answer.decode("utf-8", errors="replace")
        found = re.match(r"HTTP/1\.1 (\d+)", text)
        status = int(found[1]) if found else 0
        self.statuses[status] += 1
        shown = raw[:2_000].replace(user.token.encode(), b"TOKEN")
        if status >= 500 and status != 503:
            raise MidspanError(f"{status}: {text[:500]}\nfor {shown!r}")
        check_texts([other for other in self.users if other is not user], text, f"the answer to {user.name}")

    async def send(self, raw: bytes, cut: bool) -> bytes:
        """The whole answer; nothing of it if the connection is `cut` while the server works."""
        parts: list[bytes] = []
        with contextlib.suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(raw)
                await writer.drain()
                if cut:
                    await asyncio.sleep(self.random.random() * 0.02)
                    return b""
                async with asyncio.timeout(30):
                    while part := await reader.read(65_536):
                        parts.append(part)
            finally:
                writer.transport.abort()
        return b"".join(parts)

    def raw(self, user: User, method: str, path: str, body: Any) -> bytes:
        """The bytes of a request, broken somewhere, or (one in ten) not at all."""
        draw = self.random
        body = planted(body, user.marker)
        broken = draw.random()
        if body is not None and broken < 0.6:
            for _ in range(draw.choice((1, 1, 2, 5))):
                body = self.mutated(body, user.marker)
        content = b"" if body is None else json.dumps(body).encode("utf-8")
        headers = {
            "Host": "localhost",
            "Connection": "close",
            "Authorization": f"Bearer {user.token}",
            "Content-Type": "application/json",
            "X-Marker": user.marker,
        }
        if 0.6 <= broken < 0.7 and content:
            flipped = bytearray(content)
            for _ in range(draw.randint(1, 8)):
                flipped[draw.randrange(len(flipped))] = draw.randrange(256)
            content = bytes(flipped)
        elif 0.7 <= broken < 0.75:
            content = draw.choice(
                (b"", b"null", b"[" * 10_000, b'{"a":' * 1_000, user.marker.encode(), b"\xff\xfe", b'"\\ud800"')
            )
        elif 0.75 <= broken < 0.8:
            path = draw.choice(
                (
                    f"/{user.marker}",
                    f"{path}/{user.marker}",
                    "/../../etc/passwd",
                    "/%2e%2e/etc",
                    f"{path}?{user.marker}=1",
                    "/docs",
                    "//",
                )
            )
        elif 0.8 <= broken < 0.85:
            method = draw.choice(("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", user.marker.upper()))
        elif 0.85 <= broken < 0.9:
            name, value = draw.choice(
                (
                    ("Content-Type", f"text/{user.marker}"),
                    ("X-Request-Timeout-Ms", draw.choice(("1", "5", "-1", user.marker, "9" * 30))),
                    ("Authorization", f"Bearer {user.marker}"),
                    ("Content-Encoding", "gzip"),
                    ("Expect", "100-continue"),
                    ("X-Long", user.marker * 500),
                    ("Upgrade", "websocket"),
                )
            )
            headers[name] = value
        headers["Content-Length"] = str(len(content))
        if draw.random() < 0.02:
            headers["Content-Length"] = draw.choice(("0", "-1", "1", user.marker, str(len(content) + 5)))
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        raw = head.encode("utf-8", errors="replace") + b"\r\n" + content
        if draw.random() < 0.02:
            raw = raw[: draw.randrange(1, len(raw))] + draw.choice((b"", b"\r\n\r\n"))
        # A request that stays short of what it announces is waited for; ten seconds each would be the whole hour.
        return raw if announced(headers, content) else raw + b" " * 4_096

    def mutated(self, value: Any, marker: str) -> Any:
        """`value` with one place in it changed."""
        draw = self.random
        if isinstance(value, dict) and value and draw.random() < 0.85:
            key = draw.choice(list(value))
            kind = draw.random()
            if kind < 0.15:
                return {name: one for name, one in value.items() if name != key}
            if kind < 0.25:
                return value | {draw.choice((marker, "", "stream", "n", "explain")): draw.choice(ODD)}
            return value | {key: self.mutated(value[key], marker)}
        if isinstance(value, list) and value and draw.random() < 0.7:
            at = draw.randrange(len(value))
            return [*value[:at], self.mutated(value[at], marker), *value[at + 1 :]] * draw.choice((1, 1, 1, 50))
        if isinstance(value, str) and draw.random() < 0.6:
            at = draw.randint(0, len(value))
            odd = draw.choice([one for one in ODD if isinstance(one, str)])
            return value[:at] + odd + value[at:]
        return draw.choice([*ODD, marker])


def announced(headers: dict[str, str], content: bytes) -> bool:
    """Whether as many bytes come as the head says."""
    return headers["Content-Length"] == str(len(content))


def examples(description: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """(method, path, body) of every operation, with the bodies that the description gives as examples."""
    found: list[tuple[str, str, Any]] = []
    schemas = description["components"]["schemas"]
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            parts = body.get("oneOf") or body.get("anyOf") or [body] if body else [None]
            for part in parts:
                schema = schemas[part["$ref"].rpartition("/")[2]] if part and "$ref" in part else part
                for example in (schema or {}).get("examples") or [None if schema is None else {}]:
                    found.append((method.upper(), path, example))
                    if isinstance(example, dict):
                        found.append((method.upper(), path, example | {"stream": True}))
    return found


def planted(value: Any, marker: str) -> Any:
    """`value` with the marker in every text that is not a fixed word."""
    if isinstance(value, dict):
        return {key: planted(one, marker) for key, one in value.items()}
    if isinstance(value, list):
        return [planted(one, marker) for one in value]
    if isinstance(value, str) and (" " in value or "." in value or "\n" in value):
        return f"{marker} {value}"
    return value


if __name__ == "__main__":
    sys.exit(main())
