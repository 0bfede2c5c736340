"""OpenAI's dialect: `/v1/completions`, `/v1/models`, and Mistral's `/v1/fim/completions`.

A prompt may be one that the client printed with the template of any model family, a text with `suffix`, or plain text
to be continued. Token ids are completed as they are, by no step touched: who sends them knows the model. Tabby's agents
ask at the same path; a body without `prompt` is theirs. Suggestions are streamed in one piece: only when the generation
is whole is it known where the suggestion ends.
"""

import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Discriminator, Field, Tag

from midspan.complete.request import CompletionRequest, Suggestion
from midspan.engine.protocol import StopReason
from midspan.errors import MidspanError
from midspan.serve.caller import Caller
from midspan.serve.dialects.carets import Sampling, decoded, prompt_request, request_at, texts
from midspan.serve.dialects.errors import OpenAIError, error_answer, refusals
from midspan.serve.dialects.events import STREAM, begun, event
from midspan.serve.dialects.fields import (
    Body,
    Candidates,
    Count,
    Seed,
    ShortText,
    Stops,
    Temperature,
    Text,
    TokenId,
    TopP,
    example,
)
from midspan.serve.dialects.tabby import Segmented, SegmentsBody, complete_segments
from midspan.serve.service import Service

MAX_PROMPTS = 16
EXAMPLE = {"prompt": "def area(width, height):\n    return ", "suffix": "\n", "max_tokens": 32}
FINISH: dict[StopReason, Literal["stop", "length"]] = {"end": "stop", "stop": "stop", "length": "length"}


class StreamOptions(Body):
    """What a stream says besides its text."""

    include_usage: bool | None = None


class SamplingBody(Body):
    """How to generate; other fields are ignored, null is as good as nothing."""

    model: ShortText | None = None
    suffix: Text | None = None
    max_tokens: Count | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    seed: Seed | None = None
    stop: ShortText | Stops | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


class TextCompletionBody(SamplingBody):
    """A completion: `prompt` is one text or one list of token ids, or several of either."""

    model_config = example(EXAMPLE)
    prompt: (
        Text
        | Annotated[list[Text], Field(min_length=1, max_length=MAX_PROMPTS)]
        | Annotated[list[TokenId], Field(min_length=1)]
        | Annotated[list[Annotated[list[TokenId], Field(min_length=1)]], Field(min_length=1, max_length=MAX_PROMPTS)]
    )
    n: Candidates | None = None
    echo: bool | None = None


class FimBody(SamplingBody):
    """A completion between `prompt` and `suffix`."""

    model_config = example(EXAMPLE)
    prompt: Text


class Usage(BaseModel):
    """Counted tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: dict[Literal["cached_tokens"], int] = {}


class Choice(BaseModel):
    """One completion of one prompt."""

    index: int
    text: str
    logprobs: None = None
    finish_reason: Literal["stop", "length"] | None


class Completion(BaseModel):
    """The answer of `/v1/completions`."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage | None = None


class Message(BaseModel):
    """The text between prefix and suffix."""

    role: Literal["assistant"] = "assistant"
    content: str


class FimChoice(BaseModel):
    """One completion; whole ones have a `message`, streamed ones a `delta`."""

    index: int = 0
    message: Message | None = None
    delta: Message | None = None
    finish_reason: Literal["stop", "length"]


class FimCompletion(BaseModel):
    """The answer of `/v1/fim/completions`."""

    id: str
    object: Literal["chat.completion", "chat.completion.chunk"]
    created: int
    model: str
    choices: list[FimChoice]
    usage: Usage


class Model(BaseModel):
    """A model that is served."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "midspan"
    max_model_len: int


class Models(BaseModel):
    """The models that are served: one."""

    object: Literal["list"] = "list"
    data: list[Model]


def _kind(body: Any) -> str:
    return (
        "openai" if isinstance(body, TextCompletionBody) or (isinstance(body, dict) and "prompt" in body) else "tabby"
    )


AnyBody = Annotated[
    Annotated[TextCompletionBody, Tag("openai")] | Annotated[SegmentsBody, Tag("tabby")], Discriminator(_kind)
]
DONE = "data: [DONE]\n\n"


def routes(service: Service) -> APIRouter:
    """The routes of this dialect over one service."""
    router = APIRouter(tags=["OpenAI"], responses=refusals(OpenAIError))

    @router.post(
        "/v1/completions",
        response_model=Completion | Segmented,
        response_model_exclude_unset=True,
        responses={200: {"content": STREAM}},
    )
    async def complete(body: AnyBody, http: Request) -> Any:
        """Complete a prompt (OpenAI), or the caret between two segments (Tabby)."""
        caller = http.state.caller
        if isinstance(body, SegmentsBody):
            return await complete_segments(service, body, caller)
        with_usage = body.stream_options is not None and bool(body.stream_options.include_usage)
        prompts = _prompts(service, body.prompt)
        if body.stream and len(prompts) == 1 and prompts[0][1]:
            items = await begun(service.stream(_request(service, body, *prompts[0], caller), caller))
            return StreamingResponse(_raw_events(service, items, caller, with_usage), media_type="text/event-stream")
        answer = await _complete(service, body, caller)
        if body.stream:
            return StreamingResponse(_events(answer, with_usage), media_type="text/event-stream")
        return answer

    @router.post("/v1/fim/completions", response_model=FimCompletion, responses={200: {"content": STREAM}})
    async def fill(body: FimBody, http: Request) -> Any:
        """Complete between `prompt` and `suffix` (Mistral)."""
        caller = http.state.caller
        request = request_at(service, caller, _sampling(body), prefix=body.prompt, suffix=body.suffix or "")
        suggestion = await service.complete(request, caller)
        message = Message(content=texts(suggestion)[0])
        answer = FimCompletion(
            id=f"cmpl-{caller.id}",
            object="chat.completion.chunk" if body.stream else "chat.completion",
            created=int(time.time()),
            model=service.model,
            choices=[
                FimChoice(
                    message=None if body.stream else message,
                    delta=message if body.stream else None,
                    finish_reason=FINISH[suggestion.stop_reason],
                )
            ],
            usage=_usage([suggestion]),
        )
        if body.stream:
            events = iter([event(answer.model_dump(exclude_none=True)), DONE])
            return StreamingResponse(events, media_type="text/event-stream")
        return answer

    @router.get("/v1/models")
    async def models() -> Models:
        """The one model that is served."""
        return Models(data=[Model(id=service.model, max_model_len=service.completer.engine.context_length)])

    return router


async def _complete(service: Service, body: TextCompletionBody, caller: Caller) -> Completion:
    """The candidates of every prompt, one prompt after the other."""
    choices: list[Choice] = []
    suggestions: list[Suggestion] = []
    for prompt, is_ids in _prompts(service, body.prompt):
        request = _request(service, body, prompt, is_ids, caller)
        suggestion = await service.complete(request, caller)
        suggestions.append(suggestion)
        for text in texts(suggestion):
            text = prompt + text if body.echo else text
            finish = FINISH[suggestion.stop_reason]
            choices.append(Choice(index=len(choices), text=text, logprobs=None, finish_reason=finish))
    return _frame(service, caller).model_copy(update={"choices": choices, "usage": _usage(suggestions)})


def _request(
    service: Service, body: TextCompletionBody, prompt: str, is_ids: bool, caller: Caller
) -> CompletionRequest:
    """The completion of one prompt. Who sends token ids knows the model, and has steps of its own."""
    sampling = replace(_sampling(body), candidates=body.n, raw=is_ids)
    return prompt_request(service, caller, sampling, prompt, body.suffix or "", exact=is_ids)


def _prompts(service: Service, prompt: Any) -> list[tuple[str, bool]]:
    """The prompts as text, and whether they came as token ids."""
    if isinstance(prompt, str):
        return [(prompt, False)]
    if isinstance(prompt[0], str):
        return [(text, False) for text in prompt]
    return [(decoded(service, ids), True) for ids in (prompt if isinstance(prompt[0], list) else [prompt])]


def _sampling(body: SamplingBody) -> Sampling:
    return Sampling(body.max_tokens, body.temperature, body.top_p, body.seed, body.stop)


def _usage(suggestions: Sequence[Suggestion]) -> Usage:
    prompt = sum(one.prompt_tokens for one in suggestions)
    generated = sum(one.completion_tokens for one in suggestions)
    cached = sum(one.cached_tokens for one in suggestions)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=generated,
        total_tokens=prompt + generated,
        prompt_tokens_details={"cached_tokens": cached},
    )


def _events(answer: Completion, with_usage: bool) -> Iterator[str]:
    """The answer as a stream: each choice's text, then that it is finished, then the usage if it is asked for."""
    frame = answer.model_dump(exclude={"choices", "usage"})
    for choice in answer.choices:
        if choice.text:
            yield event(frame | {"choices": [choice.model_dump() | {"finish_reason": None}]})
        yield event(frame | {"choices": [choice.model_dump() | {"text": ""}]})
    if with_usage and answer.usage:
        yield event(frame | {"choices": [], "usage": answer.usage.model_dump()})
    yield DONE


async def _raw_events(
    service: Service, items: AsyncGenerator[str | Suggestion, None], caller: Caller, with_usage: bool
) -> AsyncGenerator[str, None]:
    """Raw text as it is generated, then why it ended."""
    frame = _frame(service, caller).model_dump(exclude={"choices", "usage"})

    def choice(text: str, finish: Literal["stop", "length"] | None) -> dict[str, Any]:
        return frame | {"choices": [Choice(index=0, text=text, finish_reason=finish).model_dump()]}

    try:
        async with aclosing(items):
            async for item in items:
                if isinstance(item, str):
                    yield event(choice(item, None))
                    continue
                yield event(choice("", FINISH[item.stop_reason]))
                if with_usage:
                    yield event(frame | {"choices": [], "usage": _usage([item]).model_dump()})
    except MidspanError as error:
        yield event(error_answer("/v1/completions", 503, error))
    yield DONE


def _frame(service: Service, caller: Caller) -> Completion:
    """An answer without its choices."""
    return Completion(
        id=f"cmpl-{caller.id}", object="text_completion", created=int(time.time()), model=service.model, choices=[]
    )
