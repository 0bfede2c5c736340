"""In-process HTTP servers that behave as vLLM, SGLang and Ollama publish it, as far as completion goes.

Each writes a given text, tells how much of the prompt it had seen before, and refuses what the real one refuses.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

LOGPROB = -0.25


@dataclass
class Fake:
    """One server; what it was asked, and how it is to behave."""

    text: str = "price * count"
    model: str = "own/model"
    failing: bool = False
    breaks_off: bool = False
    bodies: list[dict] = field(default_factory=list)
    url: str = ""
    port: int = 0
    _server: uvicorn.Server | None = None
    _serving: asyncio.Task | None = None

    def routes(self) -> list[Route]:
        raise NotImplementedError

    async def start(self) -> None:
        """Serve, on the same port as before."""
        config = uvicorn.Config(Starlette(routes=self.routes()), port=self.port, log_level="critical", lifespan="off")
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server.serve())
        while not self._server.started:
            await asyncio.sleep(0.01)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        await self._serving

    def cached(self, prompt: list[int]) -> int:
        """Whole blocks of 16 tokens that an earlier prompt began with as well."""
        best = 0
        for body in self.bodies:
            seen = body["prompt"]
            same = next((i for i, (a, b) in enumerate(zip(seen, prompt, strict=False)) if a != b), len(seen))
            best = max(best, min(same, len(prompt) - 1) // 16 * 16)
        return best


class FakeVllm(Fake):
    """vLLM: old-style logprobs, usage in a last event without choices, cached tokens if it was started to tell them."""

    owner = "vllm"

    def routes(self) -> list[Route]:
        return [
            Route("/v1/models", self.models),
            Route("/v1/completions", self.completions, methods=["POST"]),
        ]

    async def models(self, request: Request) -> JSONResponse:
        if self.failing:
            return JSONResponse({"error": {"message": "starting", "code": 503}}, 503)
        entry = {"id": self.model, "object": "model", "owned_by": self.owner, "max_model_len": 1024}
        return JSONResponse({"object": "list", "data": [entry]})

    async def completions(self, request: Request) -> JSONResponse | StreamingResponse:
        body = await request.json()
        if body.get("suffix") is not None:
            return JSONResponse({"error": {"message": "suffix is not currently supported", "code": 400}}, 400)
        if body.get("model") != self.model:
            return JSONResponse({"error": {"message": "The model does not exist", "code": 404}}, 404)
        if self.failing:
            return JSONResponse({"error": {"message": "EngineCore died", "code": 500}}, 500)
        cached = self.cached(body["prompt"])
        self.bodies.append(body)
        return StreamingResponse(self.events(body, cached), media_type="text/event-stream")

    async def events(self, body: dict, cached: int) -> AsyncGenerator[str, None]:
        pieces = self.text.split(" ")
        pieces = [piece if not number else f" {piece}" for number, piece in enumerate(pieces)][: body["max_tokens"]]
        for piece in pieces:
            yield self.event({"choices": [{"index": 0, "text": piece, "logprobs": self.logprobs(piece)}]})
            if self.breaks_off:
                return
        whole = "".join(pieces) == self.text
        choice = {"index": 0, "text": "", "logprobs": None, "finish_reason": "stop" if whole else "length"}
        yield self.event({"choices": [choice]})
        if body["stream_options"]["include_usage"]:
            usage = {"prompt_tokens": len(body["prompt"]), "completion_tokens": len(pieces)}
            usage["prompt_tokens_details"] = {"cached_tokens": cached}
            yield self.event({"choices": [], "usage": usage})
        yield "data: [DONE]\n\n"

    def logprobs(self, piece: str) -> dict:
        return {"tokens": [piece], "token_logprobs": [LOGPROB], "top_logprobs": [{piece: LOGPROB}], "text_offset": [0]}

    def event(self, content: dict) -> str:
        return f"data: {json.dumps({'id': 'cmpl-1', 'object': 'text_completion', 'model': self.model} | content)}\n\n"


class FakeSglang(FakeVllm):
    """SGLang: no details of the prompt's tokens unless started with --enable-cache-report, finish reasons null."""

    owner = "sglang"

    async def events(self, body: dict, cached: int) -> AsyncGenerator[str, None]:
        async for event in super().events(body, cached):
            if event.startswith("data: {"):
                content = json.loads(event.removeprefix("data: "))
                if "usage" in content:
                    content["usage"]["prompt_tokens_details"] = None
                for choice in content["choices"]:
                    choice.setdefault("finish_reason", None)
                    choice.setdefault("matched_stop", None)
                event = f"data: {json.dumps(content)}\n\n"
            yield event


class FakeOllama(Fake):
    """Ollama: several models, a template on /v1/completions, NDJSON and nanoseconds on /api/generate."""

    def routes(self) -> list[Route]:
        return [
            Route("/v1/models", self.models),
            Route("/v1/completions", self.templated, methods=["POST"]),
            Route("/api/show", self.show, methods=["POST"]),
            Route("/api/generate", self.generate, methods=["POST"]),
        ]

    async def models(self, request: Request) -> JSONResponse:
        names = [self.model, "llama3.2:latest"]
        data = [{"id": name, "object": "model", "created": 1, "owned_by": "library"} for name in names]
        return JSONResponse({"object": "list", "data": data})

    async def templated(self, request: Request) -> JSONResponse:
        raise AssertionError("a template was put around the prompt")

    async def show(self, request: Request) -> JSONResponse:
        if (await request.json())["model"] != self.model:
            return JSONResponse({"error": "model not found"}, 404)
        return JSONResponse({"model_info": {"general.architecture": "llama", "llama.context_length": 2048}})

    async def generate(self, request: Request) -> JSONResponse | StreamingResponse:
        body = await request.json()
        if not isinstance(body["prompt"], str):
            return JSONResponse({"error": "json: cannot unmarshal array into Go struct field of type string"}, 400)
        self.bodies.append(body)
        return StreamingResponse(self.lines(body), media_type="application/x-ndjson")

    async def lines(self, body: dict) -> AsyncGenerator[str, None]:
        characters = self.text[: body["options"]["num_predict"]]
        for character in characters:
            entry = {"token": character, "logprob": LOGPROB, "bytes": list(character.encode())}
            yield json.dumps({"model": self.model, "response": character, "done": False, "logprobs": [entry]}) + "\n"
            if self.failing:
                yield json.dumps({"error": "model runner has unexpectedly stopped"}) + "\n"
                return
        last = {"response": "", "done": True, "done_reason": "stop" if characters == self.text else "length"}
        counts = {"prompt_eval_count": 9, "eval_count": len(characters)}
        times = {"prompt_eval_duration": 2_000_000, "eval_duration": 5_000_000}
        yield json.dumps({"model": self.model} | last | counts | times) + "\n"


@asynccontextmanager
async def running(*fakes: Fake) -> AsyncGenerator[None, None]:
    for fake in fakes:
        await fake.start()
    try:
        yield
    finally:
        for fake in fakes:
            await fake.stop()
