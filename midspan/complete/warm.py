"""What keeps completions warm between requests; so far it passes them on."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from midspan.complete.completer import Completer
from midspan.complete.request import CompletionRequest, Suggestion


class Warm:
    """A `Completer` that makes use of what it did for earlier requests of the same document."""

    def __init__(self, completer: Completer) -> None:
        self.completer = completer

    async def complete(self, request: CompletionRequest) -> Suggestion:
        """The suggestion for a caret; see `Completer.complete`."""
        return await self.completer.complete(request)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[str | Suggestion, None]:
        """Text as it is generated, then the Suggestion; see `Completer.stream`."""
        async with aclosing(self.completer.stream(request)) as items:
            async for item in items:
                yield item

    async def prefill(self, request: CompletionRequest) -> None:
        """Prepare for completions at a caret; it returns when the prompt is read or something else goes first."""
        await self.completer.prefill(request)
