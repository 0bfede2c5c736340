"""What inference over HTTP has in common, whatever the server's API: one request, a line of JSON for each piece.

Such servers know no common way to force the beginning of the text: the generation is watched, and if it does not
reproduce `starts_with` it is asked for again with that text at the end of the prompt.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from midspan.engine.assemble import Assembler, stream_healed
from midspan.engine.calibration import Calibration
from midspan.engine.connections import Server
from midspan.engine.events import event_data
from midspan.engine.loopback import Broken
from midspan.engine.protocol import EngineError, GenerateRequest, Generation, StopReason, Stream, collect
from midspan.engine.refusals import refusal, server_message
from midspan.prompt.formats import Format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import CompleteConfig, PromptConfig


@dataclass
class Said:
    """What a server has said of a generation so far, its text aside; see `Generation`."""

    reason: StopReason | None = None
    cached_tokens: int = 0
    prompt_ms: float = 0.0
    generate_ms: float = 0.0
    completion_tokens: int = 0


class RemoteEngine(ABC):
    """An Engine over HTTP; what follows says how its API is spoken."""

    complete_config = CompleteConfig()
    calibration: Calibration | None = None
    restarts = 0
    path: str
    """Where generations are asked for."""

    def __init__(
        self,
        server: Server,
        model: str,
        tokenizer: Tokenizer,
        format: Format,
        context_length: int,
        prompt_config: PromptConfig,
    ) -> None:
        self.name, self.tokenizer, self.format = model, tokenizer, format
        self.context_length, self.prompt_config = context_length, prompt_config
        self.ends = [name for name in format.ends if name in tokenizer.specials]
        """Names of the control tokens that end a text."""
        self._server = server

    @abstractmethod
    def body(self, request: GenerateRequest) -> dict[str, Any]:
        """What the server is asked. Raises MidspanError if the request does not fit the context."""

    @abstractmethod
    def read(self, event: dict[str, Any], said: Said) -> tuple[str, tuple[float, ...]]:
        """The text of an event with the log-probabilities of its tokens; what else it says is noted."""

    def events(self, parts: AsyncIterable[bytes]) -> AsyncGenerator[str, None]:
        """The texts of JSON in the `parts` of an answer."""
        return event_data(parts)

    def stream(self, request: GenerateRequest) -> Stream:
        """Generate: deltas, then one Generation; see `Engine.stream`."""
        return stream_healed(self._stream_once, request, self.tokenizer)

    async def generate(self, request: GenerateRequest) -> Generation:
        """Generate and wait for the end."""
        return await collect(self.stream(request))

    async def prefill(self, request: GenerateRequest) -> None:
        """Read the prompt by generating one token, the least that such servers know; see `Engine.prefill`."""
        await collect(self._stream_once(replace(request, max_tokens=1, starts_with="")))

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()

    async def _stream_once(self, request: GenerateRequest) -> Stream:
        assembler, said = Assembler(request), Said()
        async with aclosing(self._answered(self.body(request))) as events:
            async for event in events:
                delta = assembler.push(*self.read(event, said))
                if delta is not None:
                    yield delta
                if assembler.stopped:
                    said.reason = "stop"
                    break
        if said.reason is None:
            raise EngineError("the server broke its answer off", "send the request again")
        delta = assembler.finish()
        if delta is not None:
            yield delta
        yield Generation(
            text=assembler.text,
            logprobs=assembler.logprobs,
            stop_reason=said.reason,
            prompt_tokens=len(request.prompt),
            cached_tokens=said.cached_tokens,
            prompt_ms=said.prompt_ms,
            generate_ms=said.generate_ms,
            completion_tokens=said.completion_tokens or len(assembler.logprobs),
        )

    async def _answered(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """The events of one request."""
        try:
            async with self._server.exchange(self.path, json.dumps(body).encode()) as answer:
                if answer.status != HTTPStatus.OK:
                    raise refusal(answer.status, await answer.whole())
                async with aclosing(answer.parts()) as parts, aclosing(self.events(parts)) as texts:
                    async for text in texts:
                        event = json.loads(text)
                        if "error" in event:
                            raise EngineError(f"the server failed: {server_message(event)}", "send the request again")
                        yield event
        except Broken as error:
            raise EngineError(
                f"the server at {self._server.url} does not answer: {error}", "check that it runs"
            ) from None
        except json.JSONDecodeError:
            raise EngineError("the server's answer is not JSON", "check that the URL is that of its API") from None


async def ask(server: Server, path: str, question: dict[str, Any] | None = None) -> Any:
    """What the server answers at `path`, None if that is not JSON.

    Raises EngineError if it does not answer, MidspanError if it refuses.
    """
    try:
        async with server.exchange(path, None if question is None else json.dumps(question).encode()) as answer:
            content = await answer.whole()
    except Broken as error:
        raise EngineError(f"no server answers at {server.url}: {error}", "check the URL and that it runs") from None
    if answer.status != HTTPStatus.OK:
        raise refusal(answer.status, content)
    try:
        return json.loads(content)
    except ValueError:
        return None
