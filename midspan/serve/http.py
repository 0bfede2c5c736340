"""The HTTP API: `POST /v1/midspan/completions` and `GET /health`. Requests hold source text; logs never do."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from midspan import __version__
from midspan.complete.answer import answer
from midspan.complete.completer import Caret, Completer, CompletionRequest
from midspan.context.caret import Spot
from midspan.context.memory import Memory
from midspan.context.project import File, Project
from midspan.engine.protocol import EngineError
from midspan.errors import MidspanError
from midspan.serve.guard import Guard

MAX_BODY_BYTES = 8_000_000
MAX_FILES = 5_000
MAX_NEW_TOKENS = 1_024


def _is_text(text: str) -> str:
    """JSON can write half a surrogate pair, which is no character and no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("not Unicode text: it holds half a surrogate pair") from None
    return text


Text = Annotated[str, AfterValidator(_is_text)]
FilePath = Annotated[Text, Field(min_length=1, max_length=4_096)]


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


def create_app(completer: Completer, *, token: str | None = None, max_body_bytes: int = MAX_BODY_BYTES) -> FastAPI:
    """The application over one completer. With `token` every path but /health asks for it as bearer."""
    app = FastAPI(title="midspan", version=__version__)
    app.add_middleware(Guard, token=token, max_body_bytes=max_body_bytes)
    memory = Memory()

    @app.exception_handler(MidspanError)
    async def on_error(request: Request, error: MidspanError) -> JSONResponse:
        return JSONResponse(error_answer(error), status_code=503 if isinstance(error, EngineError) else 400)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "the body"
        return JSONResponse(error_answer(MidspanError(f"{where}: {first['msg']}")), status_code=422)

    @app.exception_handler(HTTPException)
    async def on_refusal(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse(error_answer(MidspanError(error.detail)), error.status_code, error.headers)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok", "model": completer.engine.name}

    @app.post("/v1/midspan/completions", response_model=None)
    async def complete(body: CompletionBody) -> StreamingResponse | dict[str, Any]:
        request = request_of(body, memory)
        if body.stream:
            return StreamingResponse(_events(completer, request, body.explain), media_type="text/event-stream")
        return answer(await completer.complete(request), completer.engine.name, body.explain)

    return app


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


async def _events(completer: Completer, request: CompletionRequest, explain: bool) -> AsyncGenerator[str, None]:
    """Server-sent events: `{"delta"}` as text comes, then the final object, or `{"error"}`."""
    try:
        async with aclosing(completer.stream(request)) as items:
            async for item in items:
                yield _event({"delta": item} if isinstance(item, str) else answer(item, completer.engine.name, explain))
    except MidspanError as error:
        yield _event(error_answer(error))


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, separators=(',', ':'))}\n\n"
