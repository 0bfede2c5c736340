"""Answers in pieces: server-sent events and lines of JSON."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from midspan.complete.request import Suggestion

STREAM: dict[str, dict[str, Any]] = {"text/event-stream": {}}
"""How the description of a route says that it can answer in server-sent events."""


def compact(content: Any) -> str:
    """JSON without blanks, as some clients insist on."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def event(content: Any) -> str:
    """One server-sent event."""
    return f"data: {compact(content)}\n\n"


async def begun(items: AsyncGenerator[str | Suggestion, None]) -> AsyncGenerator[str | Suggestion, None]:
    """The same items, once the first one is there: what is raised before it is raised here, while there is a status."""
    first = await anext(items)

    async def all_of_them() -> AsyncGenerator[str | Suggestion, None]:
        async with aclosing(items):
            yield first
            async for item in items:
                yield item

    return all_of_them()
