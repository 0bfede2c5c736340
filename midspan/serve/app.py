"""The HTTP application: every dialect's routes behind one guard. Requests hold source text; logs never do."""

import math
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from midspan import __version__
from midspan.engine.protocol import EngineError
from midspan.errors import MidspanError
from midspan.serve import metrics
from midspan.serve.auth import Tokens
from midspan.serve.dialects import llama_cpp, native, ollama, openai, tabby
from midspan.serve.dialects.errors import error_answer
from midspan.serve.guard import Guard
from midspan.serve.observe import Observer
from midspan.serve.service import Overloaded, Service

DESCRIPTION = "Completions at a caret, in the dialects of Midspan, OpenAI, Mistral, llama.cpp, Tabby and Ollama."


class Health(BaseModel):
    """The server answers."""

    status: str = "ok"
    model: str


def create_app(service: Service, *, tokens: Tokens | None = None) -> FastAPI:
    """The application over one service. With `tokens` every path but /health asks for one of them as bearer."""
    app = FastAPI(title="midspan", version=__version__, description=DESCRIPTION)
    app.add_middleware(Guard, tokens=tokens)
    app.add_middleware(Observer, metrics=service.metrics)

    @app.exception_handler(MidspanError)
    async def on_error(request: Request, error: MidspanError) -> JSONResponse:
        if isinstance(error, Overloaded):
            return _refusal(request, error.status, error, {"Retry-After": str(math.ceil(error.retry_after_s))})
        return _refusal(request, 503 if isinstance(error, EngineError) else 400, error)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:] if _is_field(part)) or "the body"
        return _refusal(request, 422, MidspanError(f"{where}: {first['msg']}"))

    @app.exception_handler(HTTPException)
    async def on_refusal(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(sorted(_methods(app, request.url.path)))
        return _refusal(request, error.status_code, MidspanError(error.detail), headers)

    @app.get("/health")
    async def health() -> Health:
        """Whether the server answers."""
        return Health(model=service.model)

    app.include_router(metrics.routes(service.metrics))
    for dialect in (native, openai, llama_cpp, tabby, ollama):
        app.include_router(dialect.routes(service))
    return app


def _refusal(
    request: Request, status: int, error: MidspanError, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The error in the form of the dialect that the request is in."""
    return JSONResponse(error_answer(request.url.path, status, error), status, headers)


def _methods(app: FastAPI, path: str) -> set[str]:
    """The methods of all routes of a path; the framework names those of the first one only."""
    return {method.upper() for method in app.openapi()["paths"].get(path, {})}


def _is_field(part: int | str) -> bool:
    """Whether a part of an error's place is the client's word, and no name of a type that was tried."""
    return isinstance(part, int) or (part.isidentifier() and part not in {"openai", "tabby", "str", "int", "float"})
