"""Inference by any server that speaks OpenAI's `/v1/completions` (vLLM, llama-server, SGLang; for Ollama see `ollama`).

The prompt is built here and sent as token ids (or as text, for servers that take no ids); `suffix` is never sent, since
vLLM refuses it and others put it into a template of their own.
"""

from typing import Any, Literal

from midspan.engine.connections import Server, server_at
from midspan.engine.ollama import OllamaEngine, open_ollama
from midspan.engine.protocol import GenerateRequest, default_prompt, token_room
from midspan.engine.remote import RemoteEngine, Said, ask
from midspan.errors import MidspanError
from midspan.prompt.formats import Format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import PromptConfig

OLLAMA = "library"
"""Whom Ollama calls the owner of its models."""
UNKNOWN_CONTEXT = 8_192
"""Context length assumed of a server that does not tell."""


class OpenAIEngine(RemoteEngine):
    """An Engine over `/v1/completions`; see `open_openai`."""

    path = "/v1/completions"
    prompt_as: Literal["ids", "text"] = "ids"

    def body(self, request: GenerateRequest) -> dict[str, Any]:
        """See RemoteEngine."""
        return {
            "model": self.name,
            # Servers put the first token before text themselves.
            "prompt": request.prompt
            if self.prompt_as == "ids"
            else self.tokenizer.decode(request.prompt).removeprefix(self.format.bos),
            "max_tokens": token_room(request, self.context_length),
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": request.seed,
            "logprobs": 1,
            # vLLM and SGLang know only the model's own end; llama.cpp's server knows the others and ignores this.
            "stop_token_ids": [self.tokenizer.special(name) for name in self.ends],
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def read(self, event: dict[str, Any], said: Said) -> tuple[str, tuple[float, ...]]:
        """See RemoteEngine."""
        usage, timings = event.get("usage") or {}, event.get("timings") or {}
        if usage or timings:
            details = usage.get("prompt_tokens_details") or {}
            said.cached_tokens = details.get("cached_tokens") or timings.get("cache_n") or said.cached_tokens
            said.completion_tokens = usage.get("completion_tokens") or said.completion_tokens
            said.prompt_ms = timings.get("prompt_ms", said.prompt_ms)
            said.generate_ms = timings.get("predicted_ms", said.generate_ms)
        choice: dict[str, Any] = next(iter(event.get("choices") or ()), {})
        if reason := choice.get("finish_reason"):
            said.reason = "length" if reason == "length" else "end"
        return choice.get("text") or "", _logprobs(choice.get("logprobs"))


async def open_openai(
    url: str,
    *,
    tokenizer: Tokenizer,
    format: Format,
    model: str | None = None,
    api_key: str | None = None,
    prompt_config: PromptConfig | None = None,
    prompt_as: Literal["ids", "text"] = "ids",
) -> OpenAIEngine | OllamaEngine:
    """Connect to the server at `url` (with or without its `/v1`) and ask which model it serves, if `model` is None.

    Raises EngineError if it does not answer, MidspanError if it refuses or serves several models.
    """
    try:
        server = server_at(
            url.rstrip("/").removesuffix("/v1"), {"Authorization": f"Bearer {api_key}"} if api_key else {}
        )
    except ValueError as error:
        raise MidspanError(f"{url} is not a URL: {error}", "give one such as http://127.0.0.1:8000/v1") from None
    try:
        entry = await _served_model(server, model)
        if entry.get("owned_by") == OLLAMA:
            return await open_ollama(server, entry["id"], tokenizer, format, prompt_config)
    except BaseException:
        await server.close()
        raise
    length = entry.get("max_model_len") or (entry.get("meta") or {}).get("n_ctx") or UNKNOWN_CONTEXT
    engine = OpenAIEngine(server, entry["id"], tokenizer, format, length, prompt_config or default_prompt(length))
    engine.prompt_as = prompt_as
    return engine


async def _served_model(server: Server, model: str | None) -> dict[str, Any]:
    """The server's entry for `model`, or for the only model it has."""
    try:
        entries: list[dict[str, Any]] = (await ask(server, "/v1/models"))["data"]
        names = [entry["id"] for entry in entries]
    except (KeyError, TypeError):
        raise MidspanError(f"{server.url} is not an OpenAI-compatible API", "give the URL up to /v1") from None
    if model is None and len(entries) == 1:
        return entries[0]
    if model not in names:
        raise MidspanError(
            f"{server.url} serves {', '.join(names) or 'no model'}, which does not settle the model",
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
