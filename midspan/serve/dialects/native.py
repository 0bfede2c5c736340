"""Midspan's own dialect: the suggestion with all that is known of it, reading ahead, and what became of suggestions."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from midspan.complete.answer import answer
from midspan.complete.pipeline import NAMES
from midspan.complete.request import Caret, CompletionRequest, Suggestion
from midspan.context.caret import Spot
from midspan.context.memory import Memory
from midspan.context.project import File, Project
from midspan.engine.protocol import EngineError, StopReason
from midspan.errors import MidspanError
from midspan.serve.caller import Caller
from midspan.serve.dialects.carets import SEEDS, document_key, new_tokens
from midspan.serve.dialects.errors import NativeError, error_answer, refusals
from midspan.serve.dialects.events import STREAM, begun, event
from midspan.serve.dialects.fields import (
    MAX_FILES,
    MAX_NEW_TOKENS,
    WHOLE,
    Body,
    Candidates,
    Count,
    FilePath,
    ShortText,
    Stops,
    Text,
    TopP,
    example,
)
from midspan.serve.service import Service

PATH = "/v1/midspan/completions"
EXAMPLE = {"path": "area.py", "prefix": "def area(width, height):\n    return ", "suffix": "\n"}
MAX_STEPS = 100
StepName = Annotated[str, Field(json_schema_extra={"enum": list(NAMES)})]


class OwnBody(Body):
    """A request of our own: a field nobody knows is a mistake."""

    model_config = ConfigDict(extra="forbid")


class FileBody(OwnBody):
    """A file of the project that may serve as context."""

    path: FilePath
    text: Text


class SpotBody(OwnBody):
    """A place edited lately: a line, counted from 0, of a file."""

    path: FilePath
    line: Count


class CaretBody(OwnBody):
    """A caret between `prefix` and `suffix` in the file `path`, and the files around it.

    `document` names the buffer if the path does not; of the requests for one buffer only the newest is answered.
    """

    path: FilePath
    prefix: Text
    suffix: Text = ""
    document: ShortText = ""
    files: Annotated[list[FileBody], Field(max_length=MAX_FILES, default_factory=list)]
    recent: Annotated[list[FilePath], Field(max_length=MAX_FILES, default_factory=list)]
    edited: Annotated[list[SpotBody], Field(max_length=MAX_FILES, default_factory=list)]


class CompletionBody(CaretBody):
    """A caret to be completed. `skip` names steps to leave out; several `candidates` are sampled at a temperature."""

    model_config = example(EXAMPLE)
    caret: Caret = "auto"
    max_new_tokens: Annotated[int, Field(ge=1, le=MAX_NEW_TOKENS), WHOLE] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    top_p: TopP = 1.0
    seed: Count = 0
    stop: Annotated[Stops, Field(default_factory=list)]
    candidates: Candidates = 1
    skip: Annotated[list[StepName], Field(max_length=MAX_STEPS, default_factory=list)]
    stream: bool = False
    explain: bool = False


class EventBody(OwnBody):
    """What became of the suggestion `id`: it was shown, accepted or dismissed."""

    model_config = example({"id": "0123456789abcdef", "kind": "select"})
    id: ShortText
    kind: Literal["view", "select", "dismiss"]


class TimingsBody(BaseModel):
    """Milliseconds."""

    prompt_ms: float
    generate_ms: float
    total_ms: float


class UsageBody(BaseModel):
    """Counted tokens."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


class SuggestionBody(BaseModel):
    """A suggestion, "" if there is nothing to suggest; it takes the place of `replace` characters behind the caret.

    `id` is what events refer to; `explain` is there if it was asked for.
    """

    model_config = ConfigDict(extra="allow")
    id: str
    suggestion: str
    replace: int
    confidence: float
    logprob: float
    stop_reason: StopReason
    dropped: str
    timings: TimingsBody
    usage: UsageBody


class Done(BaseModel):
    """It was done."""

    ok: Literal[True] = True


def routes(service: Service) -> APIRouter:
    """The routes of this dialect over one service."""
    router = APIRouter(tags=["Midspan"], responses=refusals(NativeError))
    memory = Memory()

    @router.post(PATH, response_model=None, responses={200: {"model": SuggestionBody, "content": STREAM}})
    async def complete(body: CompletionBody, http: Request) -> Response:
        """Complete a caret."""
        caller = http.state.caller
        request = completion_of(body, service, caller, memory)
        if body.stream:
            items = await begun(service.stream(request, caller))
            return StreamingResponse(_events(service, items, caller, body.explain), media_type="text/event-stream")
        # What is JSON already need not be looked through for what is not.
        return JSONResponse(_answer(service, await service.complete(request, caller), caller, body.explain))

    @router.post("/v1/midspan/prefill")
    async def prefill(body: CaretBody, http: Request) -> Done:
        """Read a caret's prompt ahead, where a completion will be asked for soon."""
        await service.prefill(caret_of(body, http.state.caller, memory), http.state.caller)
        return Done()

    @router.post("/v1/midspan/events")
    async def tell(body: EventBody, http: Request) -> Done:
        """Say what became of a suggestion."""
        service.event(body.kind, body.id, http.state.caller)
        return Done()

    return router


def caret_of(body: CaretBody, caller: Caller, memory: Memory) -> CompletionRequest:
    """The caret; `memory` keeps what was computed for files that come again."""
    files = {file.path: File(file.path, file.text) for file in body.files}
    return CompletionRequest(
        path=body.path,
        prefix=body.prefix,
        suffix=body.suffix,
        project=Project("", files, {}, memory) if files else None,
        recent=tuple(body.recent),
        edited=tuple(Spot(spot.path, spot.line) for spot in body.edited),
        document=document_key(caller.user, body.document or body.path, body.prefix, body.suffix),
    )


def completion_of(body: CompletionBody, service: Service, caller: Caller, memory: Memory) -> CompletionRequest:
    """The completion that the body asks for."""
    return replace(
        caret_of(body, caller, memory),
        caret=body.caret,
        max_new_tokens=new_tokens(service, body.max_new_tokens),
        temperature=body.temperature,
        top_p=body.top_p,
        seed=body.seed % SEEDS,
        stop=tuple(filter(None, body.stop)),
        candidates=body.candidates,
        skip=frozenset(body.skip),
    )


def _answer(service: Service, suggestion: Suggestion, caller: Caller, explain: bool) -> dict[str, Any]:
    return {"id": caller.id, **answer(suggestion, service.model, explain)}


async def _events(
    service: Service, items: AsyncGenerator[str | Suggestion, None], caller: Caller, explain: bool
) -> AsyncGenerator[str, None]:
    """Server-sent events: `{"delta"}` as text comes, then the final object, or `{"error"}`."""
    try:
        async with aclosing(items):
            async for item in items:
                yield event({"delta": item} if isinstance(item, str) else _answer(service, item, caller, explain))
    except MidspanError as error:
        yield event(error_answer(PATH, 503 if isinstance(error, EngineError) else 400, error))
