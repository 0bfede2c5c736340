"""What stands between the HTTP dialects and the completion logic: who may ask, when, and what is counted of it."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

from midspan.complete.completer import Completer
from midspan.complete.request import CompletionRequest, Suggestion
from midspan.errors import MidspanError

EventKind = Literal["view", "select", "dismiss"]
"""What a client says became of a suggestion: it was shown, accepted, or dismissed."""
LOCAL_USER = "local"
"""The user where no tokens are asked for."""


class Overloaded(MidspanError):
    """The request is not served now; it can be sent again in `retry_after_s` seconds.

    `status` is the HTTP status: 429 where this user asks too much, 503 where all together do.
    """

    def __init__(self, message: str, hint: str, *, status: Literal[429, 503], retry_after_s: float) -> None:
        super().__init__(message, hint)
        self.status, self.retry_after_s = status, retry_after_s


@dataclass(frozen=True)
class Caller:
    """Who sent a request, and the request's `id`, which answers, events and logs share."""

    user: str = LOCAL_USER
    id: str = field(default_factory=lambda: secrets.token_hex(8))


class Service:
    """Serves completions to callers over one `completer`."""

    def __init__(self, completer: Completer) -> None:
        self.completer = completer

    @property
    def model(self) -> str:
        """The engine's name."""
        return self.completer.engine.name

    async def complete(self, request: CompletionRequest, caller: Caller) -> Suggestion:
        """The suggestion. Raises Overloaded, and MidspanError like `Completer.complete`."""
        return await self.completer.complete(request)

    async def stream(self, request: CompletionRequest, caller: Caller) -> AsyncGenerator[str | Suggestion, None]:
        """Text as it is generated, then the Suggestion. Raises like `complete`, before the first item."""
        async with aclosing(self.completer.stream(request)) as items:
            async for item in items:
                yield item

    async def prefill(self, request: CompletionRequest, caller: Caller) -> None:
        """Read the prompt of a caret where a completion will be asked for soon. Raises Overloaded."""

    def event(self, kind: EventKind, id: str, caller: Caller) -> bool:
        """Count what became of the suggestion `id`; False if this caller was given no such suggestion lately."""
        return False
