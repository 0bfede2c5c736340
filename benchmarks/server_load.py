"""The server under load, on this machine's CPU: what it costs over the bare engine, and what it does when there is more
to do than can be done.

* **overhead**: one typist, a model of the `mini` shape with random weights; the same prompts go, in turn, through
  `midspan serve`, through our engine in this process, and to llama.cpp's own server as token ids.
* **remote**: 200 typists before `--workers 2` and a stand-in for a remote engine that answers 16 pieces of the true
  text after 100 ms. Overhead is what a request takes beyond these 100 ms. Every request has a seed of its own, so
  that none is answered from memory. Peer: the same typists at the stand-in itself.
* **embedded**: 32 typists at one embedded model for a minute, more than it can serve; its process is killed half-way.
  Peer: the same typists at llama.cpp's own server.

A typist asks about one place of a file, a character further each time, after a pause drawn from an exponential
distribution; clients and servers share the cores.

    python benchmarks/server_load.py
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from random_model import library_files, random_model, tokenizer_of
from rich.console import Console
from rich.table import Table

from midspan.cli.main import guarded
from midspan.complete.completer import Completer
from midspan.complete.pipeline import HEALING, NAMES
from midspan.complete.request import CompletionRequest
from midspan.engine.open import open_engine
from midspan.engine.protocol import GenerateRequest
from midspan.prompt.heal import heal
from midspan.prompt.tokenizer import Tokenizer

PARTS = ("overhead", "remote", "embedded")
NEW_TOKENS = 16
ENGINE_MS = 100.0
TYPISTS = 200
SEEDS_EACH = 2**16
"""The seed of a request says whose it is and how far typed: the stand-in knows the text without reading the prompt."""
PIECE = 3
"""Characters in a piece of the stand-in's text: about a token."""
LATE_MS = 100.0
"""How much after its deadline an answer may be written: the steps behind the generation, on a busy core."""
GAP = 400
"""Characters that a typist replaces; more than are typed in a run."""
PATIENCE = 5.0
"""Seconds after the end of a load in which answers may still come; what is missing then counts as an error."""
ALL_TOKENS = [name for name in NAMES if name != HEALING]
"""Steps switched off where the same work is compared: they end generations early."""
LLAMA_SERVER = """
import sys, threading, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, params.n_ctx, params.n_parallel = sys.argv[1], 0, int(sys.argv[2]), int(sys.argv[3])
params.verbosity = 1
server = xllamacpp.Server(params)
print("on", server.listening_address, flush=True)
threading.Event().wait()
"""
ADDRESS = re.compile(r"\bon https?://127\.0\.0\.1:(\d+)")


def main() -> int:
    """Parse, measure, print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each part under load")
    parser.add_argument("--pause", type=float, default=2.0, help="mean seconds between a typist's requests, remote")
    parser.add_argument("--stand-in", metavar="TOKENIZER", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stand_in:
        return asyncio.run(stand_in(arguments.stand_in))
    return guarded(lambda: measure(arguments.parts, arguments.seconds, arguments.pause))


def measure(parts: list[str], seconds: float, pause: float) -> None:
    """Run the parts."""
    model = random_model("mini")
    if "overhead" in parts:
        asyncio.run(overhead(model))
    if "remote" in parts:
        remote(model, seconds, pause)
    if "embedded" in parts:
        embedded(model, seconds)
    print("load:", *(f"{value:.1f}" for value in os.getloadavg()))


# ---- one request


class Connection:
    """A keep-alive HTTP connection that costs little: 200 of them share the cores with the servers."""

    def __init__(self, port: int) -> None:
        self.port, self.streams = port, None

    async def post(self, path: str, body: dict, timeout_ms: int | None = None) -> tuple[int, bytes]:
        """The status and the body of the answer; 0 if the connection broke."""
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        if timeout_ms is not None:
            head += f"X-Request-Timeout-Ms: {timeout_ms}\r\n"
        for again in (True, False):
            try:
                if self.streams is None:
                    self.streams, again = await asyncio.open_connection("127.0.0.1", self.port, limit=2**22), False
                reader, writer = self.streams
                writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
                answer = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = re.search(rb"content-length: (\d+)", answer)
                if length is not None:
                    return int(answer[9:12]), await reader.readexactly(int(length[1]))
                return int(answer[9:12]), (await reader.readuntil(b"\r\n0\r\n\r\n"))
            except (OSError, EOFError):
                self.streams = None  # an idle connection may be closed just as it is used again
                if not again:
                    return 0, b""
        return 0, b""


@dataclass
class Typist:
    """Types again what stands in a file from `at` on, in place of the `GAP` characters there; each request is a
    character further.
    """

    number: int
    text: str
    at: int
    typed: int = 0

    @staticmethod
    def crew(count: int) -> list["Typist"]:
        """That many, in the middle half, by size, of this Python's library: some 7 to 34 kB.

        There are fewer such files than typists of a large crew: some type at other places of the same file.
        """
        texts = sorted((file.read_text(encoding="utf-8") for file in library_files()), key=len)
        texts = texts[len(texts) // 4 : len(texts) * 3 // 4]
        chosen = [(number, texts[number % len(texts)]) for number in range(count)]
        return [Typist(number, text, len(text) // 2 + 97 * (number // len(texts))) for number, text in chosen]

    def body(self) -> dict:
        """The next request."""
        self.typed += 1
        prefix, suffix = self.text[: self.at + self.typed], self.text[self.at + GAP :]
        return {
            "path": f"typist_{self.number}.py",
            "prefix": prefix,
            "suffix": suffix,
            "max_new_tokens": NEW_TOKENS,
        }

    def seeded(self) -> dict:
        """The next request, with a seed that no other has."""
        return self.body() | {"seed": self.number * SEEDS_EACH + self.typed}

    def pieces(self, typed: int, tokenizer: Tokenizer) -> list[str]:
        """What a model that knows the file writes where `typed` characters are typed: first of all what healing cut."""
        caret = self.at + typed
        _, healed = heal(self.text[:caret], tokenizer)
        starts = range(caret + PIECE, caret + NEW_TOKENS * PIECE, PIECE)
        return [healed + self.text[caret : caret + PIECE], *(self.text[start : start + PIECE] for start in starts)]


# ---- servers


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator[tuple[psutil.Process, int]]:
    """A server process and its port."""
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        while (said := ADDRESS.search(log.read_text())) is None:
            if process.poll() is not None:
                raise SystemExit(f"{command[:4]} ended: {log.read_text()}")
            time.sleep(0.05)
        yield psutil.Process(process.pid), int(said[1])
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def midspan(model: str, *options: object) -> list[str]:
    """The command of our server."""
    return [sys.executable, "-m", "midspan.cli.main", "serve", "--model", model, "--port", "0", *map(str, options)]


def llama_server(model: Path, slots: int) -> list[str]:
    """The command of llama.cpp's own server, with its defaults."""
    return [sys.executable, "-c", LLAMA_SERVER, str(model), str(1_536 * slots), str(slots)]


async def stand_in(tokenizer_file: Path) -> int:
    """An OpenAI-compatible server without a model: every answer is 16 pieces of the true text, after ENGINE_MS."""
    tokenizer, crew = Tokenizer.load(tokenizer_file), Typist.crew(TYPISTS)
    models = json.dumps({"object": "list", "data": [{"id": "stand-in", "max_model_len": 1_536}]}).encode()
    usage = {"choices": [], "usage": {"prompt_tokens": 1_000, "completion_tokens": NEW_TOKENS}}

    def events(seed: int) -> bytes:
        pieces = crew[seed // SEEDS_EACH].pieces(seed % SEEDS_EACH, tokenizer)
        choices = [{"index": 0, "text": piece, "logprobs": {"token_logprobs": [-0.5]}} for piece in pieces]
        choices[-1]["finish_reason"] = "length"
        lines = [*(json.dumps({"choices": [choice]}) for choice in choices), json.dumps(usage), "[DONE]"]
        return "".join(f"data: {line}\n\n" for line in lines).encode()

    def answer(content: bytes, kind: str) -> bytes:
        return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = re.search(rb"content-length: (\d+)", head)
                if length is None:
                    writer.write(answer(models, "application/json"))
                    continue
                seed = re.search(rb'"seed": ?(\d+)', await reader.readexactly(int(length[1])))
                content = events(int(seed[1]) if seed else 0)
                await asyncio.sleep(ENGINE_MS / 1000)
                writer.write(answer(content, "text/event-stream"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=500)
    print(f"on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()
    return 0


# ---- overhead


async def overhead(model: Path, keystrokes: int = 150) -> None:
    """The same prompts through the server, the engine, and llama.cpp's server, in turn."""
    (typist,) = Typist.crew(1)
    taken: dict[str, list[float]] = {"midspan serve": [], "bare engine": [], "llama-server": []}
    with tempfile.TemporaryDirectory() as folder:
        ours = running(midspan(str(model)), Path(folder) / "ours")
        theirs = running(llama_server(model, 1), Path(folder) / "theirs")
        with ours as (_, our_port), theirs as (_, their_port):
            engine = await open_engine(str(model))
            completer = Completer(engine)
            own, other = Connection(our_port), Connection(their_port)
            try:
                for number in range(keystrokes):
                    body = typist.body() | {"skip": ALL_TOKENS}
                    request = CompletionRequest(body["path"], body["prefix"], body["suffix"], max_new_tokens=NEW_TOKENS)
                    prompt = completer._prompt(request, frozenset(ALL_TOKENS))
                    healed = len(engine.tokenizer.encode(prompt.healed))
                    bare = GenerateRequest(prompt.ids, NEW_TOKENS + healed, starts_with=prompt.healed)
                    ids = {"prompt": prompt.ids, "n_predict": NEW_TOKENS + healed, "n_probs": 1, "ignore_eos": True}
                    for way in sorted(taken, key=lambda way: (number + len(way)) % 3):
                        begun = time.perf_counter()
                        if way == "midspan serve":
                            status, content = await own.post("/v1/midspan/completions", body, 60_000)
                            assert status == 200, content
                        elif way == "bare engine":
                            await engine.generate(bare)
                        else:
                            status, content = await other.post("/completion", ids | {"temperature": 0, "stream": False})
                            assert status == 200, content
                        if number >= 10:
                            taken[way].append((time.perf_counter() - begun) * 1000)
            finally:
                await engine.close()
    table = Table(title=f"one typist, {NEW_TOKENS} tokens: {len(taken['bare engine'])} keystrokes")
    for column in ("way", "p50 ms", "p90 ms", "p50 over the bare engine", "ratio"):
        table.add_column(column, justify="left" if column == "way" else "right")
    base = taken["bare engine"]
    for way, values in taken.items():
        over = statistics.median(value - bare for value, bare in zip(values, base, strict=True))
        ratio = statistics.median(values) / statistics.median(base)
        table.add_row(way, *(f"{value:.1f}" for value in (*percentiles(values, 50, 90), over)), f"{ratio:.2f}")
    Console(width=120).print(table)


# ---- load


@dataclass
class Load:
    """What typists saw: milliseconds of answers, how often each status came, when answers came."""

    taken: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    answered_at: list[float] = field(default_factory=list)


async def type_on(
    port: int,
    path: str,
    crew: list[Typist],
    seconds: float,
    pause: float,
    timeout_ms: int | None,
    bodies: Callable[[Typist], dict] = Typist.body,
) -> Load:
    """The typists ask for `seconds`, each on from where it is."""
    load, end = Load(), time.perf_counter() + seconds

    async def one(typist: Typist) -> None:
        pauses, connection = random.Random(typist.number), Connection(port)
        await asyncio.sleep(pauses.uniform(0, pause))
        while time.perf_counter() < end:
            body = bodies(typist)
            begun = time.perf_counter()
            status, _ = await connection.post(path, body, timeout_ms)
            load.statuses[status] += 1
            if status == 200:
                load.taken.append((time.perf_counter() - begun) * 1000)
                load.answered_at.append(time.perf_counter())
            await asyncio.sleep(min(pauses.expovariate(1 / pause), max(0.0, end - time.perf_counter())))

    tasks = [asyncio.create_task(one(typist)) for typist in crew]
    done, waiting = await asyncio.wait(tasks, timeout=seconds + PATIENCE)
    for task in done:
        task.result()
    for task in waiting:
        task.cancel()
        load.statuses[0] += 1
    return load


def remote(model: Path, seconds: float, pause: float, count: int = TYPISTS) -> None:
    """Typists before two workers and the stand-in; and at the stand-in itself."""
    crew, path = Typist.crew(count), "/v1/midspan/completions"
    with tempfile.TemporaryDirectory() as folder:
        stand = running([sys.executable, __file__, "--stand-in", str(tokenizer_of(model))], Path(folder) / "stand-in")
        with stand as (_, engine_port):
            options = ["--tokenizer", tokenizer_of(model), "--workers", 2, "--log-level", "warning"]
            ours = running(midspan(f"http://127.0.0.1:{engine_port}", *options), Path(folder) / "ours")
            with ours as (process, port):
                warm = asyncio.run(type_on(port, path, crew, 10, pause, None, Typist.seeded))
                begun = processor_seconds(process)
                load = asyncio.run(type_on(port, path, crew, seconds, pause, None, Typist.seeded))
                spent = processor_seconds(process) - begun
            peer = asyncio.run(
                type_on(
                    engine_port,
                    "/v1/completions",
                    crew,
                    seconds / 3,
                    pause,
                    None,
                    lambda typist: {"prompt": [0] * 1_000, "seed": typist.seeded()["seed"]},
                )
            )
            assert warm.statuses[200]
    table = Table(title=f"{count} typists, a request every {pause} s each, {seconds:.0f} s; engine {ENGINE_MS:.0f} ms")
    for column in ("way", "requests", "failed", "over the engine: p50 ms", "p90", "p99", "per second"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for way, one, length in (("midspan serve, 2 workers", load, seconds), ("the stand-in itself", peer, seconds / 3)):
        over = [value - ENGINE_MS for value in one.taken]
        failed = sum(one.statuses.values()) - one.statuses[200]
        figures = (f"{value:.1f}" for value in percentiles(over, 50, 90, 99))
        table.add_row(way, str(sum(one.statuses.values())), str(failed), *figures, f"{len(over) / length:.0f}")
    Console(width=120).print(table)
    print(f"processor time of the server: {spent / sum(load.statuses.values()) * 1000:.1f} ms a request")


def embedded(model: Path, seconds: float, count: int = 32, slots: int = 2, timeout_ms: int = 5_000) -> None:
    """More typists than an embedded model can serve; its process killed half-way; llama.cpp's server for comparison."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "ours"
        with running(midspan(str(model), "--slots", slots), log) as (process, port):
            load, killed, memory = asyncio.run(with_kill(process, port, count, seconds, timeout_ms))
            lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        with running(llama_server(model, slots), Path(folder) / "theirs") as (_, their_port):

            def infill(typist: Typist) -> dict:
                body = typist.body()
                extra = {"n_predict": NEW_TOKENS, "temperature": 0}
                return {"input_prefix": body["prefix"], "input_suffix": body["suffix"]} | extra

            peer = asyncio.run(type_on(their_port, "/infill", Typist.crew(count), seconds / 2, 0.5, None, infill))
    back = next((at - killed for at in load.answered_at if at > killed), float("nan"))
    requests = [line for line in lines if line.get("message") == "request"]
    # The server's own clock, from arrival to the end of the answer: what was computed for longer was of no use.
    late = sum(line.get("generated_tokens", 0) > 0 and line["ms"] > timeout_ms + LATE_MS for line in requests)
    lost = [line for line in requests if line["status"] == 503 and "queue_ms" in line and line["ms"] < timeout_ms]
    table = Table(
        title=f"{count} typists, one embedded model, {slots} slots, {seconds:.0f} s, deadline {timeout_ms} ms"
    )
    for column in ("way", "requests", "answered", "sent away", "errors", "p50 ms", "p90", "p99", "per second"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for way, one, length in (("midspan serve", load, seconds), ("llama-server", peer, seconds / 2)):
        sent_away = one.statuses[429] + one.statuses[503]
        errors = sum(one.statuses.values()) - one.statuses[200] - sent_away
        figures = (f"{value:.0f}" for value in percentiles(one.taken, 50, 90, 99))
        total = sum(one.statuses.values())
        table.add_row(
            way, *map(str, (total, one.statuses[200], sent_away, errors)), *figures, f"{len(one.taken) / length:.1f}"
        )
    Console(width=120).print(table)
    print(f"computed after their deadline: {late}; lost with the killed engine: {len(lost)}; back after {back:.2f} s")
    print("memory of the server without the engine, MB:", *(f"{value:.0f}" for value in memory))


async def with_kill(
    process: psutil.Process, port: int, count: int, seconds: float, timeout_ms: int
) -> tuple[Load, float, list[float]]:
    """The load, when the engine's process was killed in its middle, and the server's memory at five moments."""
    typing = asyncio.create_task(type_on(port, "/v1/midspan/completions", Typist.crew(count), seconds, 0.5, timeout_ms))
    memory, killed = [], 0.0
    for part in range(5):
        await asyncio.sleep(seconds / 5 if part else seconds / 10)
        memory.append(process.memory_info().rss / 1e6)
        if part == 2:
            for child in process.children():
                os.kill(child.pid, signal.SIGKILL)
            killed = time.perf_counter()
    return await typing, killed, memory


def processor_seconds(process: psutil.Process) -> float:
    """Of a process and its children."""
    return sum(sum(one.cpu_times()[:2]) for one in [process, *process.children()])


def percentiles(values: list[float], *wanted: int) -> list[float]:
    """Percentiles of the values."""
    cuts = statistics.quantiles(values, n=100) if len(values) > 1 else [float("nan")] * 99
    return [cuts[one - 1] for one in wanted]


if __name__ == "__main__":
    sys.exit(main())
