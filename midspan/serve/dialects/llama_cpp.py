"""The dialect of llama.cpp's server, as llama.vim, llama.vscode and Continue speak it.

`/infill` with the caret's surroundings, `/completion` with a prompt, `/props`. Samplers, slots and adapters that
clients name are ignored: the engine chooses. A suggestion is streamed in one piece: only whole is it known to be right.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

from midspan.complete.request import CompletionRequest, Suggestion
from midspan.engine.protocol import StopReason
from midspan.serve.caller import Caller
from midspan.serve.dialects.carets import Sampling, decoded, prompt_request, request_at, texts
from midspan.serve.dialects.errors import LlamaError, refusals
from midspan.serve.dialects.events import STREAM, event
from midspan.serve.dialects.fields import (
    MAX_FILES,
    WHOLE,
    Body,
    Candidates,
    Count,
    Seed,
    ShortText,
    Stops,
    Temperature,
    Text,
    TokenId,
    TopP,
    example,
)
from midspan.serve.service import Service

MAX_RESPONSE_FIELDS = 100
EXAMPLE = {"input_prefix": "def area(width, height):\n", "prompt": "    return ", "input_suffix": "\n", "n_predict": 32}
STOP_TYPES: dict[StopReason, Literal["eos", "limit", "word"]] = {"end": "eos", "length": "limit", "stop": "word"}


class Extra(Body):
    """A piece of a file that serves as context; clients put the newest last."""

    text: Text
    filename: Annotated[Text, Field(max_length=4_096)] | None = None


class GenerationBody(Body):
    """How to generate. `n_predict` 0 reads the prompt ahead, -1 sets no limit."""

    n_predict: Annotated[int, Field(ge=-2), WHOLE] | None = None
    n_cmpl: Candidates | None = None
    stop: Stops | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    seed: Seed | None = None
    t_max_predict_ms: Count | None = None
    stream: bool | None = None
    response_fields: Annotated[list[ShortText], Field(max_length=MAX_RESPONSE_FIELDS)] | None = None


class InfillBody(GenerationBody):
    """A caret: `prompt` is its line up to it, `n_indent` how far the lines of the answer are indented at least."""

    model_config = example(EXAMPLE)
    input_prefix: Text = ""
    input_suffix: Text = ""
    prompt: Text = ""
    input_extra: Annotated[list[Extra], Field(max_length=MAX_FILES)] | None = None
    n_indent: Count | None = None


class PromptBody(GenerationBody):
    """A prompt as text or token ids."""

    model_config = example({"prompt": "def area(width, height):\n", "n_predict": 32})
    prompt: Text | Annotated[list[TokenId], Field(min_length=1)]


class Timings(BaseModel):
    """What the answer took; `prompt_n` are the tokens that were read, those from the cache not among them."""

    cache_n: int
    prompt_n: int
    prompt_ms: float
    prompt_per_token_ms: float
    prompt_per_second: float
    predicted_n: int
    predicted_ms: float
    predicted_per_token_ms: float
    predicted_per_second: float


class Answer(BaseModel):
    """A completion. With `response_fields` only these are there, the inner ones by names such as `timings/prompt_n`."""

    index: int = 0
    content: str = ""
    tokens: list[int] = []
    stop: bool = True
    stop_type: Literal["none", "eos", "limit", "word"] = "none"
    stopping_word: str = ""
    model: str = ""
    prompt: str = ""
    generation_settings: dict[str, Any] = {}
    timings: Timings | None = None
    tokens_predicted: int = 0
    tokens_evaluated: int = 0
    tokens_cached: int = 0
    truncated: bool = False


class Props(BaseModel):
    """What clients ask of a server: how much context a request may have."""

    default_generation_settings: dict[Literal["n_ctx"], int]
    total_slots: int = 1
    model_path: str
    build_info: str = "midspan"


def routes(service: Service) -> APIRouter:
    """The routes of this dialect over one service."""
    # curl sends no content type of JSON unless told to, and llama.cpp does not ask for it.
    router = APIRouter(tags=["llama.cpp"], responses=refusals(LlamaError), strict_content_type=False)
    answers: dict[int | str, dict[str, Any]] = {200: {"model": Answer | list[Answer], "content": STREAM}}

    @router.post("/infill", response_model=None, responses=answers)
    async def infill(body: InfillBody, http: Request) -> JSONResponse | StreamingResponse:
        """Complete at a caret."""
        caller = http.state.caller
        extra = body.input_extra or []
        request = request_at(
            service,
            caller,
            _sampling(body),
            prefix=body.input_prefix + body.prompt,
            suffix=body.input_suffix,
            chunks=[(one.filename or "", one.text) for one in reversed(extra)],
        )
        return await _answer(service, body, request, caller, body.n_indent or 0)

    @router.post("/completion", response_model=None, responses=answers)
    async def complete(body: PromptBody, http: Request) -> JSONResponse | StreamingResponse:
        """Complete a prompt."""
        caller = http.state.caller
        is_text = isinstance(body.prompt, str)
        prompt = body.prompt if isinstance(body.prompt, str) else decoded(service, body.prompt)
        request = prompt_request(service, caller, replace(_sampling(body), raw=not is_text), prompt, exact=True)
        return await _answer(service, body, request, caller, 0)

    @router.get("/props")
    async def props() -> Props:
        """What the server can do."""
        context = service.completer.engine.context_length
        settings: dict[Literal["n_ctx"], int] = {"n_ctx": context}
        return Props(default_generation_settings=settings, model_path=service.model)

    return router


def _sampling(body: GenerationBody) -> Sampling:
    return Sampling(
        body.n_predict, body.temperature, body.top_p, body.seed, body.stop, body.n_cmpl, max_ms=body.t_max_predict_ms
    )


async def _answer(
    service: Service, body: GenerationBody, request: CompletionRequest, caller: Caller, indent: int
) -> JSONResponse | StreamingResponse:
    if body.n_predict == 0:
        await service.prefill(request, caller)
        answers = [Answer(model=service.model, stop_type="limit")]
    else:
        suggestion = await service.complete(request, caller)
        found = [indented(text, indent) for text in texts(suggestion)]
        answers = [_whole(service, suggestion, text, index) for index, text in enumerate(found)]
    if body.stream:
        return StreamingResponse(_events(answers), media_type="text/event-stream")
    shown = [_fields(answer.model_dump(), body.response_fields) for answer in answers]
    return JSONResponse(shown if (body.n_cmpl or 1) > 1 else shown[0])


def _whole(service: Service, suggestion: Suggestion, text: str, index: int) -> Answer:
    read = suggestion.prompt_tokens - suggestion.cached_tokens
    generated = suggestion.completion_tokens
    prompt_ms, predicted_ms = suggestion.timings.prompt_ms, suggestion.timings.generate_ms
    return Answer(
        index=index,
        content=text,
        stop_type=STOP_TYPES[suggestion.stop_reason],
        model=service.model,
        timings=Timings(
            cache_n=suggestion.cached_tokens,
            prompt_n=read,
            prompt_ms=prompt_ms,
            prompt_per_token_ms=_ratio(prompt_ms, read),
            prompt_per_second=_ratio(read * 1_000, prompt_ms),
            predicted_n=generated,
            predicted_ms=predicted_ms,
            predicted_per_token_ms=_ratio(predicted_ms, generated),
            predicted_per_second=_ratio(generated * 1_000, predicted_ms),
        ),
        tokens_predicted=generated,
        tokens_evaluated=suggestion.prompt_tokens,
        tokens_cached=suggestion.prompt_tokens + generated,
    )


def _ratio(amount: float, of: float) -> float:
    return amount / of if of else 0.0


def _events(answers: list[Answer]) -> Iterator[str]:
    """Each answer as a stream: its text, then all that is known of it."""
    for answer in answers:
        if answer.content:
            yield event({"index": answer.index, "content": answer.content, "tokens": [], "stop": False})
        yield event(answer.model_dump() | {"content": ""})


def _fields(answer: dict[str, Any], names: list[str] | None) -> dict[str, Any]:
    """The answer, or what the client wants to have of it; names lead into inner objects, unknown ones are left out."""
    if not names:
        return answer
    found: dict[str, Any] = {}
    for name in names:
        value: Any = answer
        for key in name.split("/"):
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            found[name] = value
    return found


def indented(text: str, least: int) -> str:
    """A text up to the first line behind its first that is indented by fewer than `least` characters."""
    if not least:
        return text
    first, *lines = text.split("\n")
    kept = [first]
    for line in lines:
        if line.strip() and len(line) - len(line.lstrip()) < least:
            break
        kept.append(line)
    return text if len(kept) > len(lines) else "\n".join(kept).rstrip("\n")
