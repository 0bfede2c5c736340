"""The HTTP application: every dialect's routes behind one guard. Requests hold source text; logs never do."""

import math

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from midspan import __version__
from midspan.engine.protocol import EngineError
from midspan.errors import MidspanError
from midspan.serve.dialects import native
from midspan.serve.guard import Guard
from midspan.serve.service import Overloaded, Service

MAX_BODY_BYTES = 8_000_000


def create_app(service: Service, *, token: str | None = None, max_body_bytes: int = MAX_BODY_BYTES) -> FastAPI:
    """The application over one service. With `token` every path but /health asks for it as bearer."""
    app = FastAPI(title="midspan", version=__version__)
    app.add_middleware(Guard, token=token, max_body_bytes=max_body_bytes)

    @app.exception_handler(MidspanError)
    async def on_error(request: Request, error: MidspanError) -> JSONResponse:
        if isinstance(error, Overloaded):
            wait = {"Retry-After": str(math.ceil(error.retry_after_s))}
            return JSONResponse(native.error_answer(error), error.status, wait)
        return JSONResponse(native.error_answer(error), status_code=503 if isinstance(error, EngineError) else 400)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "the body"
        return JSONResponse(native.error_answer(MidspanError(f"{where}: {first['msg']}")), status_code=422)

    @app.exception_handler(HTTPException)
    async def on_refusal(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse(native.error_answer(MidspanError(error.detail)), error.status_code, error.headers)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok", "model": service.model}

    app.include_router(native.routes(service))
    return app
