"""Embedded inference: llama.cpp in a supervised child process, spoken to over loopback HTTP.

A crash or a hang of llama.cpp (out of memory, a broken model) costs the requests then running, never the caller: they
fail with an EngineError and a new child is started (see `supervisor`).

Closing a stream closes its connection. llama.cpp notices that when it writes the next event, so it is made to write one
after every batch of the prompt as after every token, and a batch is small enough to be done in about 15 ms. What a
smaller batch costs: see `batch_tokens`. Prompts with a common beginning reuse llama.cpp's KV cache.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from midspan.engine.assemble import Assembler, StartMismatch, stream_healed
from midspan.engine.calibration import Calibration
from midspan.engine.events import event_data
from midspan.engine.grammar import starting_with
from midspan.engine.llama_cpp_process import Child, Settings
from midspan.engine.loopback import Broken, exchange
from midspan.engine.protocol import (
    EngineError,
    GenerateRequest,
    Generation,
    StopReason,
    Stream,
    collect,
    token_room,
)
from midspan.engine.supervisor import Patience, Supervisor
from midspan.errors import MidspanError
from midspan.prompt.formats import Format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import CompleteConfig, PromptConfig

STOP_REASONS: dict[str, StopReason] = {"eos": "end", "limit": "length", "word": "stop"}
EXIT_SECONDS = 2.0
"""How long a broken connection waits for the news that the child has ended."""
BATCH_WORK = 6e8
"""Bytes of weights times tokens that two cores compute in about 15 ms."""
SMALLEST_BATCH, LARGEST_BATCH = 4, 512
DEFAULT_PATIENCE = Patience()


class LlamaCppEngine:
    """An Engine over one child process; see `open_llama_cpp`."""

    complete_config = CompleteConfig()
    calibration: Calibration | None = None

    def __init__(
        self,
        name: str,
        tokenizer: Tokenizer,
        format: Format,
        prompt_config: PromptConfig,
        settings: Settings,
        patience: Patience,
    ) -> None:
        self.name, self.tokenizer, self.format, self.prompt_config = name, tokenizer, format, prompt_config
        self.context_length = settings.context_length
        self._control_ids = {tokenizer.special(special) for special in tokenizer.specials}
        self._supervisor = Supervisor(settings, self._ask, patience)

    def stream(self, request: GenerateRequest) -> Stream:
        """Generate: deltas, then one Generation; see `Engine.stream`."""
        return stream_healed(self._stream_once, request, self.tokenizer)

    async def generate(self, request: GenerateRequest) -> Generation:
        """Generate and wait for the end."""
        return await collect(self.stream(request))

    async def prefill(self, request: GenerateRequest) -> None:
        """Read the prompt; see `Engine.prefill`."""
        body = self._body(replace(request, max_tokens=1, starts_with="")) | {"n_predict": 0}
        async with aclosing(self._events(request.document, body)) as events:
            async for _ in events:
                pass

    async def close(self) -> None:
        """End the child process."""
        await self._supervisor.close()

    async def ready(self) -> None:
        """Make sure the child runs with the model loaded. Raises EngineError if it cannot be started."""
        await self._supervisor.child()

    @property
    def process_id(self) -> int | None:
        """The child's process id while it runs."""
        return self._supervisor.process_id

    @property
    def restarts(self) -> int:
        """How often another child took the place of one that ended."""
        return max(0, self._supervisor.starts - 1)

    async def _stream_once(self, request: GenerateRequest) -> Stream:
        """One request to llama.cpp. Raises StartMismatch before the first delta if the healed text did not come."""
        body = self._body(request)
        assembler = Assembler(request)
        event: dict[str, Any] = {}
        reason: StopReason | None = None
        async with aclosing(self._events(request.document, body)) as events:
            async for event in events:
                if self._control_ids.intersection(event["tokens"]):
                    reason = "end"
                    break
                logprobs = tuple(entry["logprob"] for entry in event.get("completion_probabilities", ()))
                delta = assembler.push(event["content"], logprobs)
                if delta is not None:
                    yield delta
                if assembler.stopped:
                    reason = "stop"
                    break
                if event["stop"]:
                    reason = STOP_REASONS[event["stop_type"]]
        if reason is None:
            raise EngineError("llama.cpp broke its answer off", "send the request again")
        delta = assembler.finish()
        if delta is not None:
            yield delta
        timings = event["timings"]
        yield Generation(
            text=assembler.text,
            logprobs=assembler.logprobs,
            stop_reason=reason,
            prompt_tokens=len(request.prompt),
            cached_tokens=timings["cache_n"],
            prompt_ms=timings["prompt_ms"],
            generate_ms=timings["predicted_ms"],
            completion_tokens=event["tokens_predicted"],
        )

    def _body(self, request: GenerateRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "prompt": request.prompt,
            "n_predict": token_room(request, self.context_length),
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": request.seed,
            # Of samplers that change nothing each still looks through the whole vocabulary at every token.
            "samplers": ["temperature", "top_p"] if request.temperature and request.top_p < 1 else ["temperature"],
            "n_probs": 1,
            "cache_prompt": request.reuse_cache,
            "return_tokens": True,
            "timings_per_token": True,
            "return_progress": True,
            "stream": True,
        }
        if request.starts_with:
            if "\0" in request.starts_with:
                raise StartMismatch
            body["grammar"] = starting_with(request.starts_with)
        return body

    async def _events(self, document: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """The events of one `/completion` that bring tokens or the end; the connection closes with the generator."""
        child = await self._supervisor.child()
        # Left to itself llama.cpp takes the slot with the most alike prompt, and prompts of one project begin alike.
        slot = child.slots.claim(document)
        try:
            with self._supervisor.request() as heard:
                async with aclosing(self._answer(child, body | {"id_slot": slot})) as events:
                    async for event in events:
                        heard()
                        if "prompt_progress" not in event:
                            yield event
        finally:
            child.slots.release(slot)

    async def _answer(self, child: Child, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        try:
            async with exchange(child.address, "/completion", child.key, json.dumps(body).encode()) as answer:
                if answer.status != HTTPStatus.OK:
                    raise _refusal(json.loads(await answer.whole()))
                async with aclosing(answer.parts()) as parts, aclosing(event_data(parts)) as lines:
                    async for line in lines:
                        event = json.loads(line)
                        if "error" in event:
                            raise _refusal(event)
                        yield event
        except Broken as error:
            raise await _lost(child) from error

    async def _ask(self, child: Child) -> None:
        """Have the main loop of llama.cpp answer, between two batches."""
        async with exchange(child.address, "/slots", child.key) as answer:
            await answer.whole()


def batch_tokens(weight_bytes: int) -> int:
    """Tokens of a prompt computed at once by a model of this size, so that two cores need about 15 ms: a power of two.

    Measured on 2 cores against batches of 512: see docs/benchmarks.md, "Cancellation".
    """
    fitting = max(1, int(BATCH_WORK / max(1, weight_bytes)))
    return min(LARGEST_BATCH, max(SMALLEST_BATCH, 1 << (fitting.bit_length() - 1)))


def _refusal(answer: dict[str, Any]) -> MidspanError | StartMismatch:
    """llama.cpp's error as ours. A grammar nothing can satisfy is the start of the text that cannot be produced."""
    error = answer.get("error", {})
    message = str(error.get("message", "unknown error"))
    if "grammar" in message:
        return StartMismatch()
    if error.get("type") == "invalid_request_error":
        return MidspanError(f"llama.cpp refuses the request: {message}")
    return EngineError(f"llama.cpp failed: {message}", "send the request again")


async def _lost(child: Child) -> EngineError:
    """The error for a connection that broke; says how the child ended if it did."""
    try:
        await asyncio.wait_for(child.process.wait(), EXIT_SECONDS)
    except TimeoutError:
        return EngineError("the connection to llama.cpp broke", "send the request again")
    return EngineError(
        f"llama.cpp stopped while it was working: {child.end}",
        "send the request again: it starts anew",
    )


async def open_llama_cpp(
    model: Path,
    *,
    name: str,
    tokenizer: Tokenizer,
    format: Format,
    prompt_config: PromptConfig,
    context_length: int,
    threads: int | None = None,
    slots: int = 1,
    patience: Patience = DEFAULT_PATIENCE,
) -> LlamaCppEngine:
    """Open a GGUF file: starts the child and waits until the model is loaded.

    `context_length` is in tokens for each of `slots` generations that may run side by side. Raises
    EngineError if llama.cpp cannot load the file.
    """
    settings = Settings(str(model), context_length, slots, threads, batch_tokens(model.stat().st_size))
    engine = LlamaCppEngine(name, tokenizer, format, prompt_config, settings, patience)
    try:
        await engine.ready()
    except BaseException:
        await engine.close()
        raise
    return engine
