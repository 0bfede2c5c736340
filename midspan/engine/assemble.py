"""From the pieces a backend generates to the text a caller sees.

Takes the `starts_with` text off the front, ends the text before stop strings (holding back what may become one) and
asks the request's `until`. Linear in the generated text, but for `until`.
"""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

from midspan.engine.protocol import Delta, GenerateRequest, Stream
from midspan.prompt.tokenizer import Tokenizer


class StartMismatch(Exception):
    """The generation does not begin with the text it must begin with; raised before the first delta."""


class Assembler:
    """Collects the pieces of one generation."""

    def __init__(self, request: GenerateRequest) -> None:
        self._start, self._head = request.starts_with, ""
        self._stop, self._until = request.stop, request.until
        self._held, self._held_logprobs = "", tuple[float, ...]()
        self.text, self.logprobs = "", tuple[float, ...]()
        self.stopped = False

    def push(self, piece: str, logprobs: tuple[float, ...]) -> Delta | None:
        """Take the next piece; the delta it releases, if any. Sets `stopped` when the text ends here.

        Raises StartMismatch.
        """
        if self._start:
            self._head += piece
            compared = min(len(self._head), len(self._start))
            if self._head[:compared] != self._start[:compared]:
                raise StartMismatch
            if len(self._head) < len(self._start):
                return None
            piece, self._start = self._head[len(self._start) :], ""
            if not piece:
                return None
        self._held += piece
        self._held_logprobs += logprobs
        ends = [at for stop in self._stop if stop and (at := self._held.find(stop)) >= 0]
        if ends:
            self.stopped = True
            return self._release(min(ends), drop_rest=True)
        return self._release(len(self._held) - self._possible_stop())

    def finish(self) -> Delta | None:
        """Release what was held back, at the end of the generation. Raises StartMismatch."""
        if self._start:
            raise StartMismatch
        return None if self.stopped else self._release(len(self._held))

    def _possible_stop(self) -> int:
        """Length of the longest end of the held text that may grow into a stop string."""
        longest = 0
        for stop in self._stop:
            for size in range(min(len(stop) - 1, len(self._held)), longest, -1):
                if self._held.endswith(stop[:size]):
                    longest = size
                    break
        return longest

    def _release(self, size: int, drop_rest: bool = False) -> Delta | None:
        if not size:
            return None
        delta = Delta(self._held[:size], self._held_logprobs)
        self._held, self._held_logprobs = "" if drop_rest else self._held[size:], ()
        self.text += delta.text
        self.logprobs += delta.logprobs
        if self._until is not None and self._until(self.text):
            self.stopped = True
        return delta


async def stream_healed(
    stream_once: Callable[[GenerateRequest], Stream], request: GenerateRequest, tokenizer: Tokenizer
) -> Stream:
    """The stream of `request`; if that does not begin with `starts_with`, of the request with that text prefilled."""
    try:
        async with aclosing(stream_once(request)) as items:
            async for item in items:
                yield item
        return
    except StartMismatch:
        pass
    async with aclosing(stream_once(prefilled(request, tokenizer))) as items:
        async for item in items:
            yield item


def prefilled(request: GenerateRequest, tokenizer: Tokenizer) -> GenerateRequest:
    """The same request with its `starts_with` text at the end of the prompt: certain, at the cost of the healing."""
    start = tokenizer.encode(request.starts_with)
    return replace(request, prompt=request.prompt + start, starts_with="")
