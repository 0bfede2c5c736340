"""Inference by any server that speaks OpenAI's `/v1/completions` (vLLM, llama-server, SGLang; for Ollama see `ollama`).

The prompt is built here and sent as token ids (or as text, for servers that take no ids); `suffix` is never sent, since
vLLM refuses it and others put it into a template of their own. Such servers know no common way to force the beginning
of the text: the generation is watched, and if it does not reproduce `starts_with` it is asked for again with that text
at the end of the prompt.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Literal

import httpx

from midspan.engine.assemble import Assembler, stream_healed
from midspan.engine.calibration import Calibration
from midspan.engine.events import event_data
from midspan.engine.ollama import OllamaEngine, open_ollama
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

OLLAMA = "library"
"""Whom Ollama calls the owner of its models."""
UNKNOWN_CONTEXT = 8_192
"""Context length assumed of a server that does not tell."""
CONNECT_SECONDS = 10.0
READ_SECONDS = 300.0


class OpenAIEngine:
    """An Engine over HTTP; see `open_openai`."""

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
        prompt_as: Literal["ids", "text"],
    ) -> None:
        self.name, self.tokenizer, self.format = model, tokenizer, format
        self.context_length, self.prompt_config = context_length, prompt_config
        self._client, self._prompt_as = client, prompt_as
        self._end_ids = [tokenizer.special(name) for name in format.ends if name in tokenizer.specials]

    def stream(self, request: GenerateRequest) -> Stream:
        """Generate: deltas, then one Generation; see `Engine.stream`."""
        return stream_healed(self._stream_once, request, self.tokenizer)

    async def generate(self, request: GenerateRequest) -> Generation:
        """Generate and wait for the end."""
        return await collect(self.stream(request))

    async def prefill(self, request: GenerateRequest) -> None:
        """Read the prompt by generating one token, the least that such servers know; see `Engine.prefill`."""
        await collect(self._stream_once(replace(request, max_tokens=1, starts_with="")))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _stream_once(self, request: GenerateRequest) -> Stream:
        assembler = Assembler(request)
        usage: dict[str, Any] = {}
        timings: dict[str, Any] = {}
        reason: StopReason | None = None
        async with aclosing(self._events(self._body(request))) as events:
            async for event in events:
                usage = event.get("usage") or usage
                timings = event.get("timings") or timings
                for choice in event.get("choices", ()):
                    delta = assembler.push(choice.get("text") or "", _logprobs(choice.get("logprobs")))
                    if delta is not None:
                        yield delta
                    if choice.get("finish_reason"):
                        reason = "length" if choice["finish_reason"] == "length" else "end"
                if assembler.stopped:
                    reason = "stop"
                    break
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
            cached_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens") or timings.get("cache_n", 0),
            prompt_ms=timings.get("prompt_ms", 0.0),
            generate_ms=timings.get("predicted_ms", 0.0),
            completion_tokens=usage.get("completion_tokens") or len(assembler.logprobs),
        )

    def _body(self, request: GenerateRequest) -> dict[str, Any]:
        return {
            "model": self.name,
            # Servers put the first token before text themselves.
            "prompt": request.prompt
            if self._prompt_as == "ids"
            else self.tokenizer.decode(request.prompt).removeprefix(self.format.bos),
            "max_tokens": token_room(request, self.context_length),
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": request.seed,
            "logprobs": 1,
            # vLLM and SGLang know only the model's own end; llama.cpp's server knows the others and ignores this.
            "stop_token_ids": self._end_ids,
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    async def _events(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """The server-sent events of one request."""
        try:
            async with aclosing(self._answer(body, again=True)) as events:
                async for event in events:
                    yield event
        except httpx.RequestError as error:
            raise EngineError(
                f"the server at {self._client.base_url} does not answer: {type(error).__name__}", "check that it runs"
            ) from None
        except json.JSONDecodeError:
            raise EngineError("the server's answer is not JSON", "check that the URL is that of a /v1 API") from None

    async def _answer(self, body: dict[str, Any], again: bool) -> AsyncGenerator[dict[str, Any], None]:
        """One request; if the server closes an old connection just as it is written there, `again` on a new one."""
        answered = False
        try:
            async with self._client.stream("POST", "completions", json=body) as response:
                answered = True
                if response.status_code != httpx.codes.OK:
                    raise refusal(response.status_code, await response.aread())
                async with aclosing(event_data(response.aiter_bytes())) as lines:
                    async for line in lines:
                        event = json.loads(line)
                        if "error" in event:
                            raise EngineError(f"the server failed: {server_message(event)}", "send the request again")
                        yield event
        except httpx.RemoteProtocolError:
            if answered or not again:
                raise
            async with aclosing(self._answer(body, again=False)) as events:
                async for event in events:
                    yield event


async def open_openai(
    url: str,
    *,
    tokenizer: Tokenizer,
    format: Format,
    model: str | None = None,
    api_key: str | None = None,
    prompt_config: PromptConfig | None = None,
    prompt_as: Literal["ids", "text"] = "ids",
) -> "OpenAIEngine | OllamaEngine":
    """Connect to the server at `url` (with or without its `/v1`) and ask which model it serves, if `model` is None.

    Raises EngineError if it does not answer, MidspanError if it refuses or serves several models.
    """
    root = url.rstrip("/").removesuffix("/v1")
    try:
        client = httpx.AsyncClient(
            base_url=f"{root}/v1",
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        )
    except httpx.InvalidURL as error:
        raise MidspanError(f"{url} is not a URL: {error}", "give one such as http://127.0.0.1:8000/v1") from None
    try:
        entry = await _served_model(client, model)
        if entry.get("owned_by") == OLLAMA:
            client.base_url = root
            return await open_ollama(client, entry["id"], tokenizer, format, prompt_config)
    except BaseException:
        await client.aclose()
        raise
    length = entry.get("max_model_len") or (entry.get("meta") or {}).get("n_ctx") or UNKNOWN_CONTEXT
    config = prompt_config or default_prompt(length)
    return OpenAIEngine(client, entry["id"], tokenizer, format, length, config, prompt_as)


async def _served_model(client: httpx.AsyncClient, model: str | None) -> dict[str, Any]:
    """The server's entry for `model`, or for the only model it has."""
    try:
        response = await client.get("models")
    except httpx.RequestError as error:
        raise EngineError(
            f"no server answers at {client.base_url}: {type(error).__name__}", "check the URL and that it runs"
        ) from None
    if response.status_code != httpx.codes.OK:
        raise refusal(response.status_code, response.content)
    try:
        entries: list[dict[str, Any]] = response.json()["data"]
        names = [entry["id"] for entry in entries]
    except (ValueError, KeyError, TypeError):
        raise MidspanError(f"{client.base_url} is not an OpenAI-compatible API", "give the URL up to /v1") from None
    if model is None and len(entries) == 1:
        return entries[0]
    if model not in names:
        raise MidspanError(
            f"{client.base_url} serves {', '.join(names) or 'no model'}, which does not settle the model",
            "name one of them behind the URL, as in http://127.0.0.1:8000/v1#NAME",
        )
    return entries[names.index(model)]


def _logprobs(logprobs: dict[str, Any] | None) -> tuple[float, ...]:
    """Log-probabilities of one choice, in OpenAI's old form (vLLM) or its chat form (llama-server)."""
    if not logprobs:
        return ()
    if "content" in logprobs:
        return tuple(entry["logprob"] for entry in logprobs["content"])
    return tuple(value for value in logprobs.get("token_logprobs") or () if value is not None)
