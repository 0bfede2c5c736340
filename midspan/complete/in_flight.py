"""A completion being made that several requests may follow, each from where it came in.

It is made as long as somebody follows it, and not a moment longer.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from midspan.complete.completer import Completer
from midspan.complete.memory import carried, same_context, same_settings
from midspan.complete.request import CompletionRequest, Suggestion, Timings
from midspan.complete.type_through import added_between, typed_between
from midspan.prompt.build import Prompt

REPLACED = "a newer request of this document took its place"


class Replaced(Exception):
    """A newer request of the document has ended this completion."""


class InFlight:
    """One completion; `text` is what has been generated so far, `keep` takes the suggestion once it is made."""

    def __init__(
        self, completer: Completer, request: CompletionRequest, keep: Callable[[CompletionRequest, Suggestion], None]
    ) -> None:
        self.request, self.text = request, ""
        self._keep = keep
        self._news = asyncio.Event()
        self._followers = 0
        self._replaced = False
        self._task = asyncio.create_task(self._make(completer))
        self._task.add_done_callback(self._ended)

    async def follow(self) -> AsyncGenerator[str | Suggestion, None]:
        """All text from the first piece on, then the suggestion. Raises what the completer raises, and Replaced."""
        self._followers += 1
        sent = 0
        try:
            while True:
                if sent < len(self.text):
                    piece, sent = self.text[sent:], len(self.text)
                    yield piece
                elif self._task.done():
                    if self._replaced:
                        raise Replaced
                    yield self._task.result()
                    return
                else:
                    await self._news.wait()
        finally:
            self._followers -= 1
            if not self._followers:
                self._task.cancel()

    def replace(self) -> None:
        """End it: another request counts now."""
        if not self._task.done():
            self._replaced = True
            self._task.cancel()

    def may_answer(self, request: CompletionRequest) -> bool:
        """Whether what is generated may come to answer the request, as far as can be seen now."""
        if self._task.done() or self._task.cancelling() or not same_settings(self.request, request):
            return False
        typed = typed_between(self.request.prefix, request.prefix)
        if typed is None or not agree(typed, self.text):
            return False
        if not typed and self.request.suffix == request.suffix:
            return same_context(self.request, request)
        return added_between(self.request.suffix, request.suffix, 0, typed) is not None

    async def join(self, request: CompletionRequest) -> Suggestion | None:
        """The suggestion for a later request, or None as soon as the completion turns out not to answer it.

        Raises like `follow`.
        """
        typed = request.prefix[len(self.request.prefix) :]
        text = ""
        async with aclosing(self.follow()) as items:
            async for item in items:
                if isinstance(item, Suggestion):
                    return carried(self.request, item, request)
                text += item
                if not agree(typed, text):
                    return None
        raise AssertionError("what is followed ends with its suggestion")

    async def _make(self, completer: Completer) -> Suggestion:
        async with aclosing(completer.stream(self.request)) as items:
            async for item in items:
                if isinstance(item, Suggestion):
                    self._keep(self.request, item)
                    return item
                self.text += item
                self._wake()
        raise AssertionError("a stream ends with its suggestion")

    def _ended(self, task: asyncio.Task[Suggestion]) -> None:
        if not task.cancelled():
            task.exception()  # looked at: where nobody follows any more, nobody is to be told
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def agree(one: str, other: str) -> bool:
    """Whether one text begins with the other."""
    return one.startswith(other) or other.startswith(one)


def nothing(reason: str) -> Suggestion:
    """A suggestion without text."""
    return Suggestion(
        text="",
        logprob=0.0,
        stop_reason="stop",
        prompt_tokens=0,
        cached_tokens=0,
        completion_tokens=0,
        timings=Timings(0.0, 0.0, 0.0),
        dropped=reason,
        prompt=Prompt([], "", ()),
        steps=(),
    )
