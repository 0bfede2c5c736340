"""The OpenAI-compatible engine against llama.cpp's own `/v1/completions`."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import tiny_model
from tiny_model import LESSONS

from midspan.engine.llama_cpp_process import Settings, start
from midspan.engine.openai import OpenAIEngine, open_openai
from midspan.engine.protocol import EngineError, GenerateRequest
from midspan.engine.refusals import refusal
from midspan.errors import MidspanError
from midspan.model.gguf_tokenizer import read_tokenizer
from midspan.prompt.build import make_prompt
from midspan.prompt.formats import FORMATS


def with_server(path: Path, use: Callable[[OpenAIEngine], Awaitable[object]], **settings) -> None:
    async def run() -> None:
        child = await start(Settings(str(path), tiny_model.CONTEXT_LENGTH, threads=1))
        try:
            engine = await open_openai(
                child.address,
                tokenizer=read_tokenizer(path),
                format=FORMATS["mellum"],
                **({"api_key": child.key} | settings),
            )
            try:
                await use(engine)
            finally:
                await engine.close()
        finally:
            await child.stop()

    asyncio.run(run())


@pytest.mark.parametrize("prompt_as", ["ids", "text"])
def test_learnt_completions_come_back(taught_gguf, prompt_as):
    async def use(engine: OpenAIEngine) -> None:
        for name in ("block", "healed", "emoji", "context"):
            lesson = LESSONS[name]
            prompt = make_prompt(
                engine.tokenizer,
                engine.format,
                lesson.project,
                path=lesson.path,
                prefix=lesson.prefix,
                suffix=lesson.suffix,
                strategy="rag",
                config=tiny_model.CONFIG,
            )
            result = await engine.generate(GenerateRequest(prompt.ids, 50, starts_with=prompt.healed))
            assert (result.text, result.stop_reason) == (lesson.middle, "end"), name
            assert result.logprobs and all(value <= 0 for value in result.logprobs)
            assert result.completion_tokens > 0
        body = engine.body(GenerateRequest([1], 1))
        stops = {engine.tokenizer.token_bytes(id).decode() for id in body["stop_token_ids"]}
        assert stops == set(FORMATS["mellum"].ends)

    with_server(taught_gguf, use, prompt_as=prompt_as)


def test_text_the_model_would_not_begin_with_is_prefilled(taught_gguf):
    async def use(engine: OpenAIEngine) -> None:
        lesson = LESSONS["block"]
        ids = make_prompt(
            engine.tokenizer,
            engine.format,
            None,
            path=lesson.path,
            prefix=lesson.prefix,
            suffix=lesson.suffix,
            strategy="none",
            config=tiny_model.CONFIG,
        ).ids
        for text in ("zebra", "        ", "\n\r\n", "\u2028\x85", "👩\u200d👧🏽", "e\u0301", "\0", '"\\'):
            forced = await engine.generate(GenerateRequest(ids, 6, starts_with=text))
            free = await engine.generate(GenerateRequest(ids + engine.tokenizer.encode(text), 6))
            assert (forced.text, forced.stop_reason) == (free.text, free.stop_reason)
            assert forced.prompt_tokens == free.prompt_tokens

    with_server(taught_gguf, use)


def test_errors_name_the_cause(taught_gguf):
    async def unused(engine: OpenAIEngine) -> None:
        raise AssertionError

    with pytest.raises(MidspanError, match="MIDSPAN_ENGINE_KEY"):
        with_server(taught_gguf, unused, api_key="wrong")
    with pytest.raises(MidspanError, match="does not settle the model"):
        with_server(taught_gguf, unused, model="other")
    with pytest.raises(MidspanError, match="is not a URL"):
        asyncio.run(open_openai("http://x:port", tokenizer=read_tokenizer(taught_gguf), format=FORMATS["mellum"]))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    tokenizer = read_tokenizer(taught_gguf)
    with pytest.raises(EngineError, match="no server answers"):
        asyncio.run(open_openai(url, tokenizer=tokenizer, format=FORMATS["mellum"]))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b'{"error": {"message": "no such\\nmodel"}}', "no such model"),
        (b'{"error": "no such model"}', "no such model"),
        (b'{"object": "error", "message": "no such model"}', "no such model"),
        (b'{"detail": [{"msg": "bad", "input": "private"}]}', "no reason"),
        (b"private", "status 400"),
    ],
)
def test_refusals_say_the_reason_and_nothing_of_the_prompt(answer, says):
    message = str(refusal(400, answer))
    assert says in message
    assert "private" not in message
