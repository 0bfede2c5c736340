"""Midspan's own dialect: `POST /v1/midspan/completions`, the suggestion with all that is known of it."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from midspan.complete.answer import answer
from midspan.complete.request import Caret, CompletionRequest
from midspan.context.caret import Spot
from midspan.context.memory import Memory
from midspan.context.project import File, Project
from midspan.errors import MidspanError
from midspan.serve.dialects.fields import MAX_FILES, MAX_NEW_TOKENS, FilePath, Text
from midspan.serve.service import Caller, Service


class FileBody(BaseModel):
    """A file of the project that may serve as context."""

    model_config = ConfigDict(extra="forbid")
    path: FilePath
    text: Text


class SpotBody(BaseModel):
    """A place edited lately: a line, counted from 0, of a file."""

    model_config = ConfigDict(extra="forbid")
    path: FilePath
    line: Annotated[int, Field(ge=0)]


class CompletionBody(BaseModel):
    """A caret between `prefix` and `suffix` in the file `path`, and the files around it."""

    model_config = ConfigDict(extra="forbid")
    path: FilePath
    prefix: Text
    suffix: Text = ""
    files: Annotated[list[FileBody], Field(max_length=MAX_FILES)] = []
    recent: Annotated[list[FilePath], Field(max_length=MAX_FILES)] = []
    edited: Annotated[list[SpotBody], Field(max_length=MAX_FILES)] = []
    caret: Caret = "auto"
    max_new_tokens: Annotated[int, Field(ge=1, le=MAX_NEW_TOKENS)] = 64
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    stream: bool = False
    explain: bool = False


def routes(service: Service) -> APIRouter:
    """The routes of this dialect over one service."""
    router = APIRouter()
    memory = Memory()

    @router.post("/v1/midspan/completions", response_model=None)
    async def complete(body: CompletionBody, http: Request) -> StreamingResponse | dict[str, Any]:
        request, caller = request_of(body, memory), http.state.caller
        if body.stream:
            return StreamingResponse(_events(service, request, caller, body.explain), media_type="text/event-stream")
        return answer(await service.complete(request, caller), service.model, body.explain)

    return router


def request_of(body: CompletionBody, memory: Memory) -> CompletionRequest:
    """The completion the body asks for; `memory` keeps what was computed for files that come again."""
    files = {file.path: File(file.path, file.text) for file in body.files}
    return CompletionRequest(
        path=body.path,
        prefix=body.prefix,
        suffix=body.suffix,
        project=Project("", files, {}, memory) if files else None,
        recent=tuple(body.recent),
        edited=tuple(Spot(spot.path, spot.line) for spot in body.edited),
        caret=body.caret,
        max_new_tokens=body.max_new_tokens,
        temperature=body.temperature,
    )


def error_answer(error: MidspanError) -> dict[str, Any]:
    """An error as the API writes it."""
    return {"error": {"message": error.message, "hint": error.hint}}


async def _events(
    service: Service, request: CompletionRequest, caller: Caller, explain: bool
) -> AsyncGenerator[str, None]:
    """Server-sent events: `{"delta"}` as text comes, then the final object, or `{"error"}`."""
    try:
        async with aclosing(service.stream(request, caller)) as items:
            async for item in items:
                yield _event({"delta": item} if isinstance(item, str) else answer(item, service.model, explain))
    except MidspanError as error:
        yield _event(error_answer(error))


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, separators=(',', ':'))}\n\n"
