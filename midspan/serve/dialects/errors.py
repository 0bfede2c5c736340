"""Errors as each dialect writes them. The path decides, since some requests are refused before they have a route."""

from typing import Any

from pydantic import BaseModel

from midspan.errors import MidspanError

STATUSES = {
    400: "The request makes no sense.",
    401: "The token is missing or wrong.",
    403: "The request came from a web page.",
    408: "The request was not whole in time.",
    413: "The request is too large.",
    422: "A field is missing or has a wrong value.",
    429: "The user is over the limit.",
    431: "The request has too many headers.",
    503: "The engine failed, or there is too much to do.",
}


class NativeDetails(BaseModel):
    """What is wrong, and what to do."""

    message: str
    hint: str


class NativeError(BaseModel):
    """An error of Midspan's own API."""

    error: NativeDetails


class OpenAIDetails(BaseModel):
    """What is wrong and what kind of error that is."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAIError(BaseModel):
    """An error as OpenAI's API writes it."""

    error: OpenAIDetails


class LlamaDetails(BaseModel):
    """What is wrong and what kind of error that is; `code` is the HTTP status."""

    code: int
    message: str
    type: str


class LlamaError(BaseModel):
    """An error as llama.cpp's server writes it."""

    error: LlamaDetails


class OllamaError(BaseModel):
    """An error as Ollama writes it."""

    error: str


Error = NativeError | OpenAIError | LlamaError | OllamaError


def form_of(path: str) -> type[Error]:
    """The dialect in which requests to `path` are refused."""
    if path.startswith("/v1/midspan"):
        return NativeError
    if path.startswith(("/v1/", "/v1beta/")):
        return OpenAIError
    if path.startswith("/api/"):
        return OllamaError
    return LlamaError if path in {"/infill", "/completion", "/props"} else NativeError


def error_answer(path: str, status: int, error: MidspanError) -> dict[str, Any]:
    """The body that refuses a request to `path`."""
    form = form_of(path)
    text = f"{error.message}; {error.hint}" if error.hint else error.message
    kind = "invalid_request_error" if status < 500 else "server_error"
    answer: Error
    if form is NativeError:
        answer = NativeError(error=NativeDetails(message=error.message, hint=error.hint))
    elif form is OpenAIError:
        answer = OpenAIError(error=OpenAIDetails(message=text, type=kind))
    elif form is OllamaError:
        answer = OllamaError(error=text)
    else:
        answer = LlamaError(error=LlamaDetails(code=status, message=text, type=kind))
    return answer.model_dump()


def refusals(form: type[Error]) -> dict[int | str, dict[str, Any]]:
    """The refusals that any route can answer with, for its description."""
    return {status: {"model": form, "description": why} for status, why in STATUSES.items()}
