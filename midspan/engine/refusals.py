"""A server's refusal as an error for the user."""

import json
from http import HTTPStatus
from typing import Any

from midspan.engine.protocol import EngineError
from midspan.errors import MidspanError


def refusal(status: int, content: bytes) -> MidspanError:
    """The error for an answer with that status; an EngineError if the same request may do better later."""
    try:
        message = server_message(json.loads(content))
    except ValueError:
        message = f"status {status}"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return MidspanError(f"the server refuses the key: {message}", "set MIDSPAN_ENGINE_KEY to the server's API key")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        return EngineError(f"the server failed: {message}", "send the request again")
    return MidspanError(f"the server refuses the request: {message}", "check that it serves this model")


def server_message(answer: Any) -> str:
    """The text of an error answer, on one line; never the whole answer, which may quote the prompt."""
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    text = error.get("message") if isinstance(error, dict) else error
    return " ".join(text.split())[:300] if isinstance(text, str) else "it gives no reason"
