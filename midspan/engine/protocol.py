"""What every inference backend offers: a request of token ids in, streamed text with log-probabilities out."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal, Protocol

from midspan.engine.calibration import Calibration
from midspan.errors import MidspanError
from midspan.prompt.formats import Format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import CompleteConfig, PromptConfig

StopReason = Literal["end", "length", "stop"]
PROMPT_SHARE = 0.75
"""Share of the context a prompt may take where the model brings no prompt settings."""


class EngineError(MidspanError):
    """The backend failed (crashed, unreachable, refused): the request itself may be fine and can be sent again."""


@dataclass(frozen=True)
class GenerateRequest:
    """One generation.

    `max_tokens`, at least 1, counts every generated token, those that reproduce `starts_with` included. `starts_with`
    is text the output must begin with (token healing), whatever its characters. Embedded llama.cpp and PyTorch allow
    only tokens that agree with it until it is complete. Where that is out of reach (a remote server knows no such
    constraint and wrote something else; llama.cpp's grammars know no NUL and let a control token stand for its name;
    `max_tokens` ended within it), the request is made anew with that text at the end of the prompt: what comes then
    continues it for certain, but from a border that may lie inside a token.
    `stop` ends the text before any of these strings. `until` is asked with the text so far after each piece; when it
    answers true the generation ends there with reason "stop".
    `reuse_cache`: False computes the whole prompt anew, so that the result depends on nothing but the request; embedded
    llama.cpp heeds it, a remote server decides for itself and PyTorch keeps no cache.
    `document` is an opaque key: requests with the same one have much of their prompts in common, so they are sent to
    where the cache of the last one is; "" is no particular document.
    """

    prompt: list[int]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    starts_with: str = ""
    stop: tuple[str, ...] = ()
    until: Callable[[str], bool] | None = field(default=None, compare=False)
    reuse_cache: bool = True
    document: str = ""


@dataclass(frozen=True)
class Delta:
    """A streamed piece of text; a piece may hold several tokens, or the end of one."""

    text: str
    logprobs: tuple[float, ...]


@dataclass(frozen=True)
class Generation:
    """A finished generation; the last item of every stream.

    `text` lacks the `starts_with` text and equals the joined deltas. `logprobs` are natural logarithms under the
    model's own distribution (temperature 1, no constraint), one per token that gave some of `text`; where a backend
    streams whole characters only, a character made of several tokens counts with its last one. `completion_tokens`
    counts all that was generated, healed text and end token included. Times in milliseconds.
    """

    text: str
    logprobs: tuple[float, ...]
    stop_reason: StopReason
    prompt_tokens: int
    cached_tokens: int
    prompt_ms: float
    generate_ms: float
    completion_tokens: int = 0


Stream = AsyncGenerator[Delta | Generation, None]
"""Deltas, then one Generation."""


class Engine(Protocol):
    """An inference backend. It belongs to the event loop that opened it."""

    name: str
    tokenizer: Tokenizer
    format: Format
    context_length: int
    prompt_config: PromptConfig
    """The prompt settings the model was made for."""
    complete_config: CompleteConfig
    """The completion settings it came with."""
    calibration: Calibration | None
    """What its log-probabilities are worth, if somebody measured it."""

    @property
    def restarts(self) -> int:
        """How often a process of ours that computes had to be started again."""
        ...

    def stream(self, request: GenerateRequest) -> Stream:
        """Generate: deltas, then one Generation. Closing the iterator cancels the work.

        Raises MidspanError if the prompt, with `starts_with` where it must go there, does not fit the context,
        EngineError if the backend fails.
        """
        ...

    async def generate(self, request: GenerateRequest) -> Generation:
        """Generate and wait for the end. Cancelling the task cancels the work."""
        ...

    async def prefill(self, request: GenerateRequest) -> None:
        """Read the prompt into the cache of its document, so that a generation soon has less to do.

        Cancelling the task cancels the work. Raises like `stream`.
        """
        ...

    async def close(self) -> None:
        """Release the backend; running generations fail."""
        ...


def default_prompt(context_length: int) -> PromptConfig:
    """The default prompt settings, made to fit a context of `context_length` tokens."""
    config = PromptConfig()
    room = max(1, int(context_length * PROMPT_SHARE))
    return config if config.max_tokens <= room else config.model_copy(update={"max_tokens": room})


async def collect(stream: Stream) -> Generation:
    """The Generation at the end of a stream; the stream is closed however this ends."""
    async with aclosing(stream):
        async for item in stream:
            if isinstance(item, Generation):
                return item
    raise EngineError("the engine ended its answer without a result", "send the request again")


def token_room(request: GenerateRequest, context_length: int) -> int:
    """Tokens the request may generate in a context of `context_length`; MidspanError if its prompt does not fit."""
    size = len(request.prompt)
    if not size:
        raise MidspanError("the prompt is empty", "send at least one token")
    if request.max_tokens < 1:
        raise MidspanError(f"max_tokens is {request.max_tokens}", "ask for at least one token")
    if size >= context_length:
        raise MidspanError(
            f"the prompt has {size} tokens and the model's context {context_length}",
            "lower prompt.max_tokens or use a model with a longer context",
        )
    return min(request.max_tokens, context_length - size)
