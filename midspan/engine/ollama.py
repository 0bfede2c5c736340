"""Inference by Ollama, over its own `/api/generate`.

Its `/v1/completions` puts the prompt into a template and takes no token ids. Here the prompt goes out as text, `raw`,
so that no template touches it. Three more things are Ollama's own: a prompt longer than `num_ctx` is cut without a
word, so every request names the same one (another would load the model anew); it adds the family's first token by
itself; it ends at the model's own end token only, so the others of the family are sent as stop strings. It does not
tell how many tokens came from its cache.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import httpx

from midspan.engine.assemble import Assembler, stream_healed
from midspan.engine.calibration import Calibration
from midspan.engine.protocol import (
    EngineError,
    GenerateRequest,
    Generation,
    StopReason,
    Stream,
    collect,
    default_prompt,
    token_room,
)
from midspan.engine.refusals import refusal, server_message
from midspan.errors import MidspanError
from midspan.prompt.formats import Format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import CompleteConfig, PromptConfig

LONGEST_CONTEXT = 8_192
"""Most tokens of context asked for, whatever the model could do: Ollama allocates its cache at once."""
NANOSECONDS = 1_000_000
"""In a millisecond."""


class OllamaEngine:
    """An Engine over Ollama; `client` is for the server's root. See `open_ollama`."""

    complete_config = CompleteConfig()
    calibration: Calibration | None = None
    restarts = 0

    def __init__(
        self,
        client: httpx.AsyncClient,
        model: str,
        tokenizer: Tokenizer,
        format: Format,
        context_length: int,
        prompt_config: PromptConfig,
    ) -> None:
        self.name, self.tokenizer, self.format = model, tokenizer, format
        self.context_length, self.prompt_config = context_length, prompt_config
        self._client = client
        self._ends = [name for name in format.ends if name in tokenizer.specials]

    def stream(self, request: GenerateRequest) -> Stream:
        """Generate: deltas, then one Generation; see `Engine.stream`."""
        return stream_healed(self._stream_once, request, self.tokenizer)

    async def generate(self, request: GenerateRequest) -> Generation:
        """Generate and wait for the end."""
        return await collect(self.stream(request))

    async def prefill(self, request: GenerateRequest) -> None:
        """Read the prompt by generating one token; see `Engine.prefill`."""
        await collect(self._stream_once(replace(request, max_tokens=1, starts_with="")))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _stream_once(self, request: GenerateRequest) -> Stream:
        assembler = Assembler(request)
        reason: StopReason | None = None
        event: dict[str, Any] = {}
        async with aclosing(self._events(self._body(request))) as events:
            async for event in events:
                logprobs = tuple(entry["logprob"] for entry in event.get("logprobs") or ())
                delta = assembler.push(event.get("response") or "", logprobs)
                if delta is not None:
                    yield delta
                if assembler.stopped:
                    reason = "stop"
                    break
                if event.get("done"):
                    reason = "length" if event.get("done_reason") == "length" else "end"
        if reason is None:
            raise EngineError("the server broke its answer off", "send the request again")
        delta = assembler.finish()
        if delta is not None:
            yield delta
        yield Generation(
            text=assembler.text,
            logprobs=assembler.logprobs,
            stop_reason=reason,
            prompt_tokens=len(request.prompt),
            cached_tokens=0,
            prompt_ms=event.get("prompt_eval_duration", 0) / NANOSECONDS,
            generate_ms=event.get("eval_duration", 0) / NANOSECONDS,
            completion_tokens=event.get("eval_count") or len(assembler.logprobs),
        )

    def _body(self, request: GenerateRequest) -> dict[str, Any]:
        return {
            "model": self.name,
            "prompt": self.tokenizer.decode(request.prompt).removeprefix(self.format.bos),
            "raw": True,
            "stream": True,
            "logprobs": True,
            "options": {
                "num_predict": token_room(request, self.context_length),
                "num_ctx": self.context_length,
                "temperature": request.temperature,
                "top_p": request.top_p,
                "seed": request.seed,
                "stop": self._ends,
            },
        }

    async def _events(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """The lines of one answer, each a JSON object."""
        try:
            async with self._client.stream("POST", "api/generate", json=body) as response:
                if response.status_code != httpx.codes.OK:
                    raise refusal(response.status_code, await response.aread())
                rest = b""
                async for chunk in response.aiter_bytes():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in filter(None, lines):
                        event = json.loads(line)
                        if "error" in event:
                            raise EngineError(f"the server failed: {server_message(event)}", "send the request again")
                        yield event
        except httpx.RequestError as error:
            raise EngineError(
                f"the server at {self._client.base_url} does not answer: {type(error).__name__}", "check that it runs"
            ) from None
        except json.JSONDecodeError:
            raise EngineError("the server's answer is not JSON", "check that the URL is that of Ollama") from None


async def open_ollama(
    client: httpx.AsyncClient, model: str, tokenizer: Tokenizer, format: Format, prompt_config: PromptConfig | None
) -> OllamaEngine:
    """Ask how long the model's context is. Raises EngineError if the server does not answer."""
    try:
        response = await client.post("api/show", json={"model": model})
    except httpx.RequestError as error:
        raise EngineError(f"no server answers at {client.base_url}: {type(error).__name__}") from None
    if response.status_code != httpx.codes.OK:
        raise refusal(response.status_code, response.content)
    info = response.json().get("model_info") or {}
    length = info.get(f"{info.get('general.architecture')}.context_length")
    if not isinstance(length, int):
        raise MidspanError(f"Ollama does not say how long the context of {model} is", "use another model")
    length = min(length, LONGEST_CONTEXT)
    return OllamaEngine(client, model, tokenizer, format, length, prompt_config or default_prompt(length))
