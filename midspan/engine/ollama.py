"""Inference by Ollama, over its own `/api/generate`.

Its `/v1/completions` puts the prompt into a template and takes no token ids. Here the prompt goes out as text, `raw`,
so that no template touches it. Three more things are Ollama's own: a prompt longer than `num_ctx` is cut without a
word, so every request names the same one (another would load the model anew); it adds the family's first token by
itself; it ends at the model's own end token only, so the others of the family are sent as stop strings. It does not
tell how many tokens came from its cache.
"""

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any

from midspan.engine.connections import Server
from midspan.engine.events import lines_of
from midspan.engine.protocol import GenerateRequest, default_prompt, token_room
from midspan.engine.remote import RemoteEngine, Said, ask
from midspan.errors import MidspanError
from midspan.prompt.formats import Format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import PromptConfig

LONGEST_CONTEXT = 8_192
"""Most tokens of context asked for, whatever the model could do: Ollama allocates its cache at once."""
NANOSECONDS = 1_000_000
"""In a millisecond."""


class OllamaEngine(RemoteEngine):
    """An Engine over Ollama; see `open_ollama`."""

    path = "/api/generate"

    def body(self, request: GenerateRequest) -> dict[str, Any]:
        """See RemoteEngine."""
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
                "stop": self.ends,
            },
        }

    async def events(self, parts: AsyncIterable[bytes]) -> AsyncGenerator[str, None]:
        """See RemoteEngine."""
        async for line in lines_of(parts):
            if line:
                yield line

    def read(self, event: dict[str, Any], said: Said) -> tuple[str, tuple[float, ...]]:
        """See RemoteEngine."""
        if event.get("done"):
            said.reason = "length" if event.get("done_reason") == "length" else "end"
            said.prompt_ms = event.get("prompt_eval_duration", 0) / NANOSECONDS
            said.generate_ms = event.get("eval_duration", 0) / NANOSECONDS
            said.completion_tokens = event.get("eval_count", 0)
        return event.get("response") or "", tuple(entry["logprob"] for entry in event.get("logprobs") or ())


async def open_ollama(
    server: Server, model: str, tokenizer: Tokenizer, format: Format, prompt_config: PromptConfig | None
) -> OllamaEngine:
    """Ask how long the model's context is. Raises EngineError if the server does not answer."""
    shown = await ask(server, "/api/show", {"model": model})
    info = (shown.get("model_info") if isinstance(shown, dict) else None) or {}
    length = info.get(f"{info.get('general.architecture')}.context_length")
    if not isinstance(length, int):
        raise MidspanError(f"Ollama does not say how long the context of {model} is", "use another model")
    length = min(length, LONGEST_CONTEXT)
    return OllamaEngine(server, model, tokenizer, format, length, prompt_config or default_prompt(length))
