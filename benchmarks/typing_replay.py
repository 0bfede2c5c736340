"""Keystroke to suggestion over HTTP, on this machine's CPU: recorded typing replayed against real server processes.

The typing is that of `prompt_stability.py`: changes between two releases of real packages, with jumps, deletions, typos
and brackets that the editor closes; pauses to think are left out, so nothing can be prepared in them. Every keystroke
asks for up to 16 tokens and waits for the answer. Every answer takes all tokens: the steps that would end a generation
early are switched off. Servers, taking turns for every change of the text, on the same model:

* `midspan serve`;
* the same with every prompt made anew (no pins, no memory, no work ahead) and, once more, computed anew (no cache);
* llama.cpp's own server with its defaults, asked by `/infill`, which gets the same texts and up to the same number of
  tokens around the caret.

The model is a Llama of the `mini` shape with random weights unless --model names another: the time does not depend on
what the weights are, and it does not write what is typed. What comes from memory all the same (after a typo is taken
back, a bracket typed over) is counted apart and is in none of the times.

    python benchmarks/typing_replay.py
"""

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import uvicorn
from random_model import random_model
from rich.console import Console
from rich.table import Table

from midspan.cli.main import guarded
from midspan.complete.completer import Completer
from midspan.complete.pipeline import HEALING, NAMES
from midspan.complete.warm import Warm
from midspan.context.store import default_cache
from midspan.engine.llama_cpp import LlamaCppEngine
from midspan.engine.open import open_engine
from midspan.engine.protocol import GenerateRequest, Stream
from midspan.serve.app import create_app
from midspan.serve.service import Service

sys.path.append(str(Path(__file__).parent.parent / "tests" / "prompt"))

from prompt_stability import RELEASES, chosen_edits, sources
from recorded_session import Moment, session

NEW_TOKENS = 16
KEYSTROKES, SLOW_KEYSTROKES = 600, 120
HEADERS = {"Content-Type": "application/json", "X-Request-Timeout-Ms": "120000"}
WAYS = ("midspan serve", "no pins", "no pins, no cache", "llama-server /infill")
ANNOUNCED = re.compile(r"^(?:on|midspan serves .* on) (http://127\.0\.0\.1:\d+)\n", re.MULTILINE)
LLAMA_SERVER = """
import sys, threading, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, params.n_ctx = sys.argv[1], 0, int(sys.argv[2])
server = xllamacpp.Server(params)
print("on", server.listening_address, flush=True)
threading.Event().wait()
"""


@dataclass
class Measured:
    """Of one way: milliseconds of keystrokes, of first requests in a file and of answers from memory, and tokens."""

    keystrokes: list[float] = field(default_factory=list)
    opened: list[float] = field(default_factory=list)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    new_tokens: int = 0
    asked: int = 0
    remembered: list[float] = field(default_factory=list)


def main() -> int:
    """Parse, measure, print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--model", help="a .gguf file or a run; a random one of the mini shape is made if none is named"
    )
    parser.add_argument("--keystrokes", type=int, default=KEYSTROKES)
    parser.add_argument("--threads", type=int, help="CPU threads of the engine")
    parser.add_argument("--slow", type=int, default=SLOW_KEYSTROKES, help="keystrokes for all ways but the first two")
    parser.add_argument("--ways", nargs="*", default=WAYS, choices=WAYS, help="what to measure")
    parser.add_argument("--serve", choices=WAYS[1:3], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    model = arguments.model or str(random_model("mini"))
    if arguments.serve:
        return guarded(lambda: asyncio.run(serve_without(model, arguments.serve, arguments.threads)))
    return guarded(lambda: measure(model, arguments))


def recorded(keystrokes: int) -> list[Moment]:
    """That many moments of typing, in the same share from each package."""
    moments: list[Moment] = []
    cache = default_cache() / "benchmarks"
    for number, (name, old, new) in enumerate(RELEASES):
        before, after = (sources(cache, name, version) for version in (old, new))
        room = (keystrokes - len(moments)) // (len(RELEASES) - number)
        typed = list(session(name, before, chosen_edits(before, after)))
        # Whole changes from all over the session, so that there are as many jumps as in the whole of it.
        chosen = random.Random(0).sample(range(typed[-1].edit + 1), typed[-1].edit + 1)
        kept: set[int] = set()
        for edit in chosen:
            if sum(moment.edit in kept for moment in typed) < room:
                kept.add(edit)
        moments += [moment for moment in typed if moment.edit in kept][:room]
    return moments


def measure(model: str, arguments: argparse.Namespace) -> None:
    """Replay, and print the table."""
    moments = recorded(arguments.keystrokes)
    measured = {way: Measured() for way in arguments.ways}
    with tempfile.TemporaryDirectory() as folder, httpx.Client(timeout=120, trust_env=False) as client:
        servers = {way: Server(way, model, arguments.threads, Path(folder)) for way in arguments.ways}
        try:
            for group in grouped(moments):
                for way, server in servers.items():
                    for moment, opened in group:
                        if way in WAYS[:2] or measured[way].asked < arguments.slow:
                            ask(client, server.url, way, moment, opened, measured[way])
        finally:
            for server in servers.values():
                server.stop()
    report(model, moments, measured)


def grouped(moments: list[Moment]) -> Iterator[list[tuple[Moment, bool]]]:
    """The moments of one change after the other, each with whether its file has just been opened for the first time."""
    seen: set[str] = set()
    group: list[tuple[Moment, bool]] = []
    last: tuple[str, int] | None = None
    for moment in moments:
        here = moment.project.name, moment.edit
        if last is not None and here != last:
            yield group
            group = []
        last = here
        group.append((moment, moment.path not in seen))
        seen.add(moment.path)
    yield group


def ask(client: httpx.Client, url: str, way: str, moment: Moment, opened: bool, measured: Measured) -> None:
    """One keystroke."""
    others = [file for path, file in sorted(moment.project.files.items()) if path != moment.path]
    if way == WAYS[3]:
        extra = [{"filename": file.path, "text": file.text} for file in others]
        body = {"input_prefix": moment.prefix, "input_suffix": moment.suffix, "input_extra": extra}
        body |= {"n_predict": NEW_TOKENS, "temperature": 0, "cache_prompt": True, "ignore_eos": True}
        path = "/infill"
    else:
        files = [{"path": file.path, "text": file.text} for file in others]
        body = {"path": moment.path, "prefix": moment.prefix, "suffix": moment.suffix, "files": files}
        body |= {"max_new_tokens": NEW_TOKENS, "skip": [name for name in NAMES if name != HEALING]}
        path = "/v1/midspan/completions"
    content = json.dumps(body)
    started = time.perf_counter()
    response = client.post(url + path, content=content, headers=HEADERS)
    elapsed = (time.perf_counter() - started) * 1_000
    response.raise_for_status()
    answer = response.json()
    measured.asked += 1
    if way == WAYS[3]:
        prompt, cached = answer["timings"]["prompt_n"] + answer["timings"]["cache_n"], answer["timings"]["cache_n"]
        new = answer["timings"]["predicted_n"]
    else:
        prompt, cached = answer["usage"]["prompt_tokens"], answer["usage"]["cached_tokens"]
        new = answer["usage"]["completion_tokens"]
        if answer["source"] != "engine":
            measured.remembered.append(elapsed)
            return
    (measured.opened if opened else measured.keystrokes).append(elapsed)
    if not opened:
        measured.prompt_tokens += prompt
        measured.cached_tokens += cached
        measured.new_tokens += new


class Server:
    """A server process on a free port."""

    def __init__(self, way: str, model: str, threads: int | None, folder: Path) -> None:
        options = ["--threads", str(threads)] if threads else []
        if way == WAYS[3]:
            command = [sys.executable, "-c", LLAMA_SERVER, model, "1536"]
        elif way == WAYS[0]:
            command = [sys.executable, "-m", "midspan.cli.main", "serve", "--model", model, "--port", "0", *options]
        else:
            command = [sys.executable, __file__, "--model", model, "--serve", way, *options]
        log = folder / way.replace(" ", "-").replace("/", "")
        with log.open("w") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ)
        while (said := ANNOUNCED.search(log.read_text())) is None:
            if self.process.poll() is not None:
                raise SystemExit(f"{way} ended: {log.read_text()}")
            time.sleep(0.05)
        self.url = said[1]

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()


class Uncached:
    """The engine, asked to compute every prompt anew."""

    def __init__(self, engine: LlamaCppEngine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def stream(self, request: GenerateRequest) -> Stream:
        """See `Engine.stream`."""
        return self._engine.stream(replace(request, reuse_cache=False))


async def serve_without(model: str, way: str, threads: int | None) -> None:
    """Our server without what keeps it warm."""
    engine = await open_engine(model, threads=threads)
    try:
        completer = Completer(Uncached(engine) if way == WAYS[2] else engine, pin=False)
        app = create_app(Service(Warm(completer, remember=False, ahead=False)))
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        print("on", f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", flush=True)
        await serving
    finally:
        await engine.close()


def report(model: str, moments: list[Moment], measured: dict[str, Measured]) -> None:
    """Print the table; ratios are of the medians, to the first way."""
    first = next(iter(measured.values()))
    base, files = statistics.median(first.keystrokes), len(first.opened)
    table = Table(title=f"{Path(model).name}: {len(moments) - files} keystrokes, {files} files opened")
    table.add_column("way")
    for column in (
        "asked",
        "p50 ms",
        "p90 ms",
        "ratio",
        "opened p50",
        "opened p90",
        "cached",
        "new tokens",
        "no engine",
    ):
        table.add_column(column, justify="right")
    for way, one in measured.items():
        p50, p90 = percentiles(one.keystrokes)
        table.add_row(
            *(way, str(one.asked), f"{p50:.0f}", f"{p90:.0f}", f"{p50 / base:.1f}"),
            *(f"{value:.0f}" for value in percentiles(one.opened)),
            *(f"{one.cached_tokens / max(1, one.prompt_tokens):.1%}", f"{one.new_tokens / len(one.keystrokes):.1f}"),
            f"{len(one.remembered) / one.asked:.1%}",
        )
    Console(width=120).print(table)
    print("load:", *(f"{value:.1f}" for value in os.getloadavg()))


def percentiles(values: list[float]) -> tuple[float, float]:
    """The 50th and the 90th."""
    return statistics.median(values), statistics.quantiles(values, n=10)[8] if len(values) > 1 else values[0]


if __name__ == "__main__":
    sys.exit(main())
