"""Ollama's dialect, as Continue, twinny and llm-ls speak it: `/api/generate` and what clients look up before it.

`raw` asks for text that no step has shortened, unless the prompt is one that a template made: then it is a caret, and
the suggestion at it is what the client wants.
"""

import datetime
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from midspan.complete.request import Suggestion
from midspan.engine.protocol import StopReason
from midspan.errors import MidspanError
from midspan.serve.dialects.carets import Sampling, prompt_request, texts
from midspan.serve.dialects.errors import OllamaError, error_answer, refusals
from midspan.serve.dialects.events import begun, compact
from midspan.serve.dialects.fields import Body, Seed, ShortText, Stops, Temperature, Text, TopP, Whole, example
from midspan.serve.service import Service

API_VERSION = "0.6.4"
"""The version of Ollama whose API this is; clients compare it with the one they need."""
NANOSECONDS = 1_000_000
"""In a millisecond."""
TEMPLATE = "{{ .Prompt }}{{ .Suffix }}"
"""Clients look for `.Suffix` in it to see that `suffix` can be sent; the prompt is made elsewhere."""
DONE: dict[StopReason, Literal["stop", "length"]] = {"end": "stop", "stop": "stop", "length": "length"}
NDJSON: dict[str, dict[str, Any]] = {"application/x-ndjson": {}}
EXAMPLE = {"model": "midspan", "prompt": "def area(width, height):\n    return ", "suffix": "\n", "stream": False}


class Options(Body):
    """How to generate; `num_predict` below 0 sets no limit."""

    num_predict: Whole | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    seed: Seed | None = None
    stop: Stops | ShortText | None = None


class GenerateBody(Body):
    """A prompt to be completed, with `suffix` a caret between the two; without a prompt it only asks for the model."""

    model_config = example(EXAMPLE)
    model: ShortText | None = None
    prompt: Text = ""
    suffix: Text | None = None
    stream: bool | None = None
    raw: bool | None = None
    options: Options | None = None


class Generated(BaseModel):
    """A piece of the answer; the last one says what it took, in nanoseconds."""

    model: str
    created_at: str
    response: str
    done: bool
    done_reason: Literal["stop", "length", "load"] | None = None
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_count: int | None = None
    prompt_eval_duration: int | None = None
    eval_count: int | None = None
    eval_duration: int | None = None


class Details(BaseModel):
    """What kind of model it is."""

    parent_model: str = ""
    format: str = "gguf"
    family: str
    families: list[str]
    parameter_size: str = ""
    quantization_level: str = ""


class ShowBody(Body):
    """The name of a model; there is one, whatever it is called."""

    model: ShortText | None = None
    name: ShortText | None = None


class Shown(BaseModel):
    """What a client wants to know of a model."""

    modelfile: str = ""
    parameters: str = ""
    template: str = TEMPLATE
    details: Details
    model_info: dict[str, str | int]
    capabilities: list[Literal["completion", "insert"]] = ["completion", "insert"]


class Tag(BaseModel):
    """A model in the list."""

    name: str
    model: str
    modified_at: str
    size: int = 0
    digest: str = ""
    details: Details


class Tags(BaseModel):
    """The models that are served: one."""

    models: list[Tag]


class Version(BaseModel):
    """The version of the API."""

    version: str = API_VERSION


def routes(service: Service) -> APIRouter:
    """The routes of this dialect over one service."""
    # Ollama's own examples use curl, which sends no content type of JSON unless told to.
    router = APIRouter(tags=["Ollama"], responses=refusals(OllamaError), strict_content_type=False)
    started = _now()

    def details() -> Details:
        family = service.completer.engine.format.family
        return Details(family=family, families=[family])

    @router.post(
        "/api/generate",
        response_model=Generated,
        response_model_exclude_none=True,
        responses={200: {"content": NDJSON}},
    )
    async def generate(body: GenerateBody, http: Request) -> Any:
        """Complete a prompt; the answer is streamed unless `stream` is false."""
        caller, model = http.state.caller, service.model
        stream = body.stream is None or body.stream
        if not body.prompt and not body.suffix:
            pieces = [Generated(model=model, created_at=_now(), response="", done=True, done_reason="load")]
        else:
            request = prompt_request(service, caller, _sampling(body), body.prompt, body.suffix or "")
            if stream and request.skip:
                items = await begun(service.stream(request, caller))
                return StreamingResponse(_lines(model, items), media_type="application/x-ndjson")
            suggestion = await service.complete(request, caller)
            text = texts(suggestion)[0]
            if not stream:
                return _end(model, suggestion, text)
            pieces = [_piece(model, text), _end(model, suggestion, "")]
        if stream:
            return StreamingResponse(map(_line, pieces), media_type="application/x-ndjson")
        return pieces[0]

    @router.post("/api/show")
    async def show(body: ShowBody) -> Shown:
        """What is known of the model."""
        engine = service.completer.engine
        family = engine.format.family
        info: dict[str, str | int] = {"general.architecture": family, f"{family}.context_length": engine.context_length}
        return Shown(details=details(), model_info=info)

    @router.get("/api/tags")
    async def tags() -> Tags:
        """The one model that is served."""
        return Tags(models=[Tag(name=service.model, model=service.model, modified_at=started, details=details())])

    @router.get("/api/version")
    async def version() -> Version:
        """The version of the API."""
        return Version()

    return router


def _sampling(body: GenerateBody) -> Sampling:
    options = body.options or Options()
    tokens = options.num_predict
    return Sampling(tokens, options.temperature, options.top_p, options.seed, options.stop, raw=bool(body.raw))


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")


def _piece(model: str, text: str) -> Generated:
    return Generated(model=model, created_at=_now(), response=text, done=False)


def _end(model: str, suggestion: Suggestion, text: str) -> Generated:
    timings = suggestion.timings
    return Generated(
        model=model,
        created_at=_now(),
        response=text,
        done=True,
        done_reason=DONE[suggestion.stop_reason],
        total_duration=int(timings.total_ms * NANOSECONDS),
        load_duration=0,
        prompt_eval_count=suggestion.prompt_tokens,
        prompt_eval_duration=int(timings.prompt_ms * NANOSECONDS),
        eval_count=suggestion.completion_tokens,
        eval_duration=int(timings.generate_ms * NANOSECONDS),
    )


def _line(piece: Generated) -> str:
    return piece.model_dump_json(exclude_none=True) + "\n"


async def _lines(model: str, items: AsyncGenerator[str | Suggestion, None]) -> AsyncGenerator[str, None]:
    """Raw text as it is generated."""
    try:
        async with aclosing(items):
            async for item in items:
                yield _line(_piece(model, item) if isinstance(item, str) else _end(model, item, ""))
    except MidspanError as error:
        yield compact(error_answer("/api/generate", 503, error)) + "\n"
