"""Tabby's dialect, as its agents in editors speak it: completions by segments, events, health and settings."""

import os
import platform
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from midspan.errors import MidspanError
from midspan.serve.caller import Caller
from midspan.serve.dialects.carets import Sampling, prompt_request, request_at, texts
from midspan.serve.dialects.errors import OpenAIError, refusals
from midspan.serve.dialects.fields import MAX_FILES, Body, Count, FilePath, Seed, ShortText, Temperature, Text
from midspan.serve.service import Service

ID = "cmpl-"
"""What the ids of suggestions begin with."""
EXAMPLE: dict[str, Any] = {
    "language": "python",
    "segments": {"prefix": "def area(width, height):\n    return ", "suffix": "\n"},
}


class Declaration(Body):
    """Code that the caret's surroundings refer to."""

    filepath: FilePath
    body: Text


class Snippet(Declaration):
    """Code from a file of the project; the higher `score`, the better."""

    score: float = 0.0


Snippets = Annotated[list[Snippet], Field(max_length=MAX_FILES)]


class Segments(Body):
    """The text around the caret and what the agent found for it."""

    prefix: Text
    suffix: Text | None = None
    filepath: FilePath | None = None
    declarations: Annotated[list[Declaration], Field(max_length=MAX_FILES)] | None = None
    relevant_snippets_from_changed_files: Snippets | None = None
    relevant_snippets_from_recently_opened_files: Snippets | None = None


class DebugOptions(Body):
    """`raw_prompt` takes the place of the segments; the others ask for more in the answer."""

    raw_prompt: Text | None = None
    return_snippets: bool = False
    return_prompt: bool = False
    disable_retrieval_augmented_code_completion: bool = False


class SegmentsBody(Body):
    """A completion between two segments. A body with `prompt` is OpenAI's."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE], "not": {"required": ["prompt"]}})
    language: ShortText | None = None
    segments: Segments | None = None
    temperature: Temperature | None = None
    seed: Seed | None = None
    debug_options: DebugOptions | None = None


class SegmentsChoice(BaseModel):
    """A suggestion."""

    index: int
    text: str


class DebugData(BaseModel):
    """What a client asked to see of the prompt."""

    snippets: list[dict[str, Any]] | None = None
    prompt: str | None = None


class Segmented(BaseModel):
    """The answer to segments; its `id` is what events refer to."""

    id: str
    choices: list[SegmentsChoice]
    debug_data: DebugData | None = None
    mode: Literal["standard"] = "standard"


class AgentEventBody(Body):
    """What became of a suggestion."""

    type: Literal["view", "select", "dismiss"]
    completion_id: ShortText
    choice_index: Count
    view_id: ShortText | None = None
    elapsed: Count | None = None


class AgentHealth(BaseModel):
    """What serves: without `model` the agent would not ask for completions."""

    model: str
    device: str = "unknown"
    cuda_devices: list[str] = []
    arch: str
    cpu_info: str
    cpu_count: int
    version: dict[str, str]
    """Without a number in `git_describe`, since agents compare it with Tabby's own."""


class ServerSetting(BaseModel):
    """Settings that the server gives its agents."""

    disable_client_side_telemetry: Literal[True] = True


class ModelNames(BaseModel):
    """Names of the models by what they are for."""

    completion: list[str]
    chat: None = None
    embedding: None = None


async def complete_segments(service: Service, body: SegmentsBody, caller: Caller) -> Segmented:
    """The answer to a Tabby completion."""
    debug = body.debug_options or DebugOptions()
    sampling = Sampling(temperature=body.temperature, seed=body.seed)
    if debug.raw_prompt is not None:
        request = prompt_request(service, caller, replace(sampling, raw=True), debug.raw_prompt)
    elif body.segments is not None:
        segments = body.segments
        request = request_at(
            service,
            caller,
            sampling,
            prefix=segments.prefix,
            suffix=segments.suffix or "",
            path=segments.filepath or "",
            chunks=() if debug.disable_retrieval_augmented_code_completion else _chunks(segments),
        )
    else:
        raise MidspanError("there is neither a prompt nor segments", "send one of them")
    suggestion = await service.complete(request, caller)
    choices = [SegmentsChoice(index=index, text=text) for index, text in enumerate(texts(suggestion))]
    answer = Segmented(id=ID + caller.id, choices=choices, mode="standard")
    if debug.return_prompt or debug.return_snippets:
        parts = suggestion.prompt.parts
        snippets = [{"filepath": part.path, "body": part.text} for part in parts if part.kind == "context"]
        prompt = "".join(part.text for part in parts)
        answer.debug_data = DebugData(
            snippets=snippets if debug.return_snippets else None, prompt=prompt if debug.return_prompt else None
        )
    return answer


def _chunks(segments: Segments) -> list[tuple[str, str]]:
    """The context that came along, the best first: what the caret's surroundings declare, then by score."""
    changed = segments.relevant_snippets_from_changed_files or []
    opened = segments.relevant_snippets_from_recently_opened_files or []
    scored = sorted([*changed, *opened], key=lambda snippet: -snippet.score)
    return [(one.filepath, one.body) for one in [*(segments.declarations or []), *scored]]


def routes(service: Service) -> APIRouter:
    """The routes of this dialect over one service; its completions have OpenAI's path and are routed there."""
    router = APIRouter(tags=["Tabby"], responses=refusals(OpenAIError))

    @router.post("/v1/events")
    async def event(body: AgentEventBody, http: Request) -> None:
        """Say what became of a suggestion."""
        service.event(body.type, body.completion_id.removeprefix(ID), http.state.caller)

    @router.get("/v1/health")
    @router.post("/v1/health")
    async def health() -> AgentHealth:
        """What serves, and on what."""
        return AgentHealth(
            model=service.model,
            arch=platform.machine(),
            cpu_info=platform.processor() or platform.machine(),
            cpu_count=os.cpu_count() or 1,
            version={"build_date": "", "build_timestamp": "", "git_sha": "", "git_describe": "midspan"},
        )

    @router.get("/v1beta/server_setting")
    async def server_setting() -> ServerSetting:
        """Telemetry of the agent's own is not wanted."""
        return ServerSetting()

    @router.get("/v1beta/models")
    async def models() -> ModelNames:
        """The one model that is served."""
        return ModelNames(completion=[service.model])

    return router
