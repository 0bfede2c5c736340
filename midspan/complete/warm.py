"""Completions that make use of earlier ones of the same document, and are prepared while nobody waits.

For a request, in this order:

* **Type-through.** What is left of a remembered suggestion answers it at once, without the engine (`memory`).
* **In-flight reuse.** A completion that is being made answers it, if the text behind the older caret is what was typed
  since (`in_flight`).
* Else it is made anew, and the older completion of the document, for which nobody can have a use any more, is ended.

When a suggestion has been shown for REST_S seconds, the one that follows its acceptance is made ahead; a file that is
opened is read ahead (`prefill`). Both give way to any request at once (`idle`).

Requests without a document, for several candidates or with a temperature stand alone: they want something new.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace

from midspan.complete.completer import Completer
from midspan.complete.idle import Idle
from midspan.complete.in_flight import REPLACED, InFlight, Replaced, nothing
from midspan.complete.memory import Memory
from midspan.complete.request import CompletionRequest, Source, Suggestion, Timings

REST_S = 0.15
"""Seconds without a request after which a suggestion counts as looked at; typists seldom pause as long in a word."""
DOCUMENTS = 256
"""Documents of which the last completion is known."""


class Warm:
    """A `Completer` that makes use of what it did for earlier requests of the same document.

    With `remember` suggestions answer later requests, with `ahead` it works while nobody waits.
    """

    def __init__(self, completer: Completer, *, remember: bool = True, ahead: bool = True) -> None:
        self.completer, self._remember, self._ahead = completer, remember, ahead
        self._memory, self._idle = Memory(), Idle()
        self._in_flight: OrderedDict[str, InFlight] = OrderedDict()

    async def complete(self, request: CompletionRequest) -> Suggestion:
        """The suggestion for a caret; see `Completer.complete`.

        It is empty, and says so, if a newer request of the document came while it was made.
        """
        async with aclosing(self.stream(request)) as items:
            async for item in items:
                if isinstance(item, Suggestion):
                    return item
        raise AssertionError("a stream ends with its suggestion")

    def remembers(self, request: CompletionRequest) -> bool:
        """Whether the request is answered at once, without the engine."""
        return self._recalled(request) is not None

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[str | Suggestion, None]:
        """Text as it is generated, then the Suggestion; see `Completer.stream` and `complete`."""
        if _stands_alone(request):
            with self._idle.someone_waits():
                async with aclosing(self.completer.stream(request)) as items:
                    async for item in items:
                        yield item
            return
        started = time.perf_counter()
        remembered = self._recalled(request)
        if remembered is not None:
            for item in self._given(request, remembered, "memory", started):
                yield item
            return
        older = self._in_flight.get(request.document)
        try:
            # Who follows a completion made ahead keeps it alive when, a moment later, the work ahead is stopped.
            with self._idle.someone_waits():
                if older is not None and older.may_answer(request):
                    joined = await older.join(request)
                    if joined is not None:
                        for item in self._given(request, joined, "in_flight", started):
                            yield item
                        return
                async with aclosing(self._begin(request).follow()) as items:
                    async for item in items:
                        yield self._shown(request, item) if isinstance(item, Suggestion) else item
        except Replaced:
            yield nothing(REPLACED)

    async def prefill(self, request: CompletionRequest) -> None:
        """Prepare for completions at a caret, as soon as nobody waits; it returns when that is done or given up."""

        async def read() -> None:
            await self.completer.prefill(request)

        job = self._idle.add(request.document, ("read", request.prefix, request.suffix), read, rest_s=0.0, again=True)
        try:
            await job.ended.wait()
        except asyncio.CancelledError:
            self._idle.drop(job)
            raise

    async def close(self) -> None:
        """End what is done ahead."""
        await self._idle.close()

    def _begin(self, request: CompletionRequest) -> InFlight:
        """Make a completion, in the place of the document's older one."""
        older = self._in_flight.pop(request.document, None)
        if older is not None:
            older.replace()
        begun = self._in_flight[request.document] = InFlight(self.completer, request, self._memory.keep)
        if len(self._in_flight) > DOCUMENTS:
            self._in_flight.popitem(last=False)
        return begun

    def _recalled(self, request: CompletionRequest) -> Suggestion | None:
        return self._memory.find(request) if self._remember and not _stands_alone(request) else None

    def _given(
        self, request: CompletionRequest, suggestion: Suggestion, source: Source, started: float
    ) -> Iterator[str | Suggestion]:
        """A suggestion made for an earlier request, with what it cost to give it this time."""
        if suggestion.text:
            yield suggestion.text
        given = replace(
            suggestion,
            source=source,
            prompt_tokens=0,
            cached_tokens=0,
            completion_tokens=0,
            timings=Timings(0.0, 0.0, (time.perf_counter() - started) * 1000),
        )
        yield self._shown(request, given)

    def _shown(self, request: CompletionRequest, suggestion: Suggestion) -> Suggestion:
        """The suggestion, which is shown now: the one that would follow it is made once nobody waits."""
        if self._ahead and suggestion.text:
            following = replace(
                request,
                prefix=request.prefix + suggestion.text,
                suffix=request.suffix[suggestion.replace :],
            )

            async def make() -> None:
                if self._memory.find(following) is None:
                    async with aclosing(self._begin(following).follow()) as items:
                        async for _ in items:
                            pass

            goal = ("make", following.prefix, following.suffix)
            self._idle.add(request.document, goal, make, rest_s=REST_S, again=False)
        return suggestion


def _stands_alone(request: CompletionRequest) -> bool:
    return not request.document or request.temperature > 0 or request.candidates > 1
