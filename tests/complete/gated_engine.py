"""An engine under the test's control: it writes a fixed text, one character for each step it is let do."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from midspan.engine.assemble import Assembler
from midspan.engine.protocol import GenerateRequest, Generation, Stream, collect
from midspan.prompt.formats import FORMATS
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import CompleteConfig, PromptConfig


@dataclass
class Work:
    """A generation or the reading of a prompt: how it stands."""

    request: GenerateRequest
    prompt: str
    state: str = "running"
    steps: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))


class GatedEngine:
    def __init__(self, tokenizer: Tokenizer, writes: Callable[[str], str]) -> None:
        """`writes` is asked for what the model writes behind a prompt given as text, healed text included."""
        self.name, self.tokenizer, self.format = "gated", tokenizer, FORMATS["mellum"]
        self.context_length, self.prompt_config = 1024, PromptConfig(max_tokens=512)
        self.complete_config, self.calibration = CompleteConfig(), None
        self.writes, self.free, self.error = writes, True, None
        self.generations: list[Work] = []
        self.readings: list[Work] = []

    def stream(self, request: GenerateRequest) -> Stream:
        return self._stream(request)

    async def generate(self, request: GenerateRequest) -> Generation:
        return await collect(self.stream(request))

    async def prefill(self, request: GenerateRequest) -> None:
        work = Work(request, self.tokenizer.decode(request.prompt))
        self.readings.append(work)
        await self._do(work)
        work.state = "done"

    async def close(self) -> None: ...

    async def _do(self, work: Work) -> None:
        try:
            await (asyncio.sleep(0) if self.free else work.steps.acquire())
        except (asyncio.CancelledError, GeneratorExit):
            work.state = "cancelled"
            raise

    async def _stream(self, request: GenerateRequest) -> Stream:
        work = Work(request, self.tokenizer.decode(request.prompt))
        self.generations.append(work)
        if self.error is not None:
            raise self.error
        assembler = Assembler(request)
        for character in request.starts_with + self.writes(work.prompt + request.starts_with):
            await self._do(work)
            try:
                delta = assembler.push(character, (-0.5,))
                if delta is not None:
                    yield delta
            except (asyncio.CancelledError, GeneratorExit):
                work.state = "cancelled"
                raise
            if assembler.stopped:
                break
        delta = assembler.finish()
        if delta is not None:
            yield delta
        work.state = "done"
        yield Generation(
            text=assembler.text,
            logprobs=assembler.logprobs,
            stop_reason="stop" if assembler.stopped else "end",
            prompt_tokens=len(request.prompt),
            cached_tokens=0,
            prompt_ms=0.0,
            generate_ms=0.0,
            completion_tokens=len(assembler.logprobs),
        )
