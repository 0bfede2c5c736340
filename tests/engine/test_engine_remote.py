"""Remote engines against servers that behave as the real ones publish it; a real llama-server is in another file."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from fake_servers import LOGPROB, FakeOllama, FakeSglang, FakeVllm, running

from midspan.engine.ollama import OllamaEngine
from midspan.engine.open import open_engine
from midspan.engine.openai import OpenAIEngine
from midspan.engine.protocol import EngineError, GenerateRequest
from midspan.errors import MidspanError


@pytest.fixture(scope="session")
def tokenizer_file(taught_hf):
    return taught_hf / "tokenizer.json"


def with_engine(fake, tokenizer_file, use: Callable[..., Awaitable[object]], name: str = "") -> None:
    async def run() -> None:
        async with running(fake):
            engine = await open_engine(fake.url + name, tokenizer=tokenizer_file)
            try:
                await use(engine)
            finally:
                await engine.close()

    asyncio.run(run())


@pytest.mark.parametrize("kind", [FakeVllm, FakeSglang])
def test_vllm_and_sglang(tokenizer_file, kind):
    fake = kind()

    async def use(engine: OpenAIEngine) -> None:
        ids = [engine.tokenizer.special("<fim_prefix>"), *engine.tokenizer.encode("total = " * 12)]
        result = await engine.generate(GenerateRequest(ids, 10))
        assert (result.text, result.stop_reason, result.logprobs) == (fake.text, "end", (LOGPROB,) * 3)
        assert (result.prompt_tokens, result.completion_tokens) == (len(ids), 3)
        again = await engine.generate(GenerateRequest([*ids, 40], 2))
        assert (again.text, again.stop_reason) == ("price *", "length")
        assert again.cached_tokens == (len(ids) // 16 * 16 if kind is FakeVllm else 0)
        assert all("suffix" not in body and body["prompt"][0] == ids[0] for body in fake.bodies)
        assert engine.context_length == 1024
        await engine.prefill(GenerateRequest(ids, 10))
        assert fake.bodies[-1]["max_tokens"] == 1
        fake.breaks_off = True
        with pytest.raises(EngineError, match="broke its answer off"):
            await engine.generate(GenerateRequest(ids, 10))
        fake.failing = True
        with pytest.raises(EngineError, match="EngineCore died"):
            await engine.generate(GenerateRequest(ids, 10))

    with_engine(fake, tokenizer_file, use)


def test_ollama_is_asked_raw_and_by_text(tokenizer_file):
    fake = FakeOllama(model="coder:1b")

    async def use(engine: OllamaEngine) -> None:
        ids = [engine.tokenizer.special("<fim_prefix>"), *engine.tokenizer.encode("total = ")]
        result = await engine.generate(GenerateRequest(ids, 50, starts_with="price"))
        assert (result.text, result.stop_reason) == (" * count", "end")
        assert (result.prompt_ms, result.generate_ms, result.completion_tokens) == (2.0, 5.0, len(fake.text))
        short = await engine.generate(GenerateRequest(ids, 3))
        assert (short.text, short.stop_reason, short.logprobs) == ("pri", "length", (LOGPROB,) * 3)
        stopped = await engine.generate(GenerateRequest(ids, 50, stop=(" *",)))
        assert (stopped.text, stopped.stop_reason) == ("price", "stop")
        healed = await engine.generate(GenerateRequest(ids, 50, starts_with="zebra"))
        assert healed.prompt_tokens > len(ids)
        assert fake.bodies[-1]["prompt"].endswith("zebra")
        for body in fake.bodies:
            assert body["raw"] and "suffix" not in body
            assert body["prompt"].startswith("<fim_prefix>total = ")
            assert body["options"]["num_ctx"] == engine.context_length == 2048
            assert body["options"]["stop"] == [name for name in engine.format.ends if name in engine.tokenizer.specials]
        await engine.prefill(GenerateRequest(ids, 50))
        assert fake.bodies[-1]["options"]["num_predict"] == 1
        fake.failing = True
        with pytest.raises(EngineError, match="unexpectedly stopped"):
            await engine.generate(GenerateRequest(ids, 50))

    with_engine(fake, tokenizer_file, use, "#coder:1b")

    async def unused(engine: object) -> None:
        raise AssertionError

    with pytest.raises(MidspanError, match=r"serves coder:1b, llama3.2:latest, which does not settle.*#NAME"):
        with_engine(fake, tokenizer_file, unused)


def with_replicas(fakes, tokenizer_file, use: Callable[..., Awaitable[object]]) -> None:
    async def run() -> None:
        async with running(*fakes):
            engine = await open_engine(",".join(fake.url for fake in fakes), tokenizer=tokenizer_file)
            try:
                await use(engine)
            finally:
                await engine.close()

    asyncio.run(run())


def places(fakes) -> dict[int, set[int]]:
    """Which first token of a prompt went to which servers; every document begins with its own."""
    seen: dict[int, set[int]] = {}
    for number, fake in enumerate(fakes):
        for body in fake.bodies:
            seen.setdefault(body["prompt"][0], set()).add(number)
    return seen


def test_a_document_stays_on_its_replica_and_moves_only_while_that_one_is_away(tokenizer_file, monkeypatch):
    monkeypatch.setattr("midspan.engine.replicas.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("midspan.engine.replicas.LONGEST_PAUSE", 0.05)
    fakes = [FakeVllm(), FakeVllm(), FakeVllm()]
    documents = range(40, 70)

    async def ask_all(engine) -> dict[int, set[int]]:
        for fake in fakes:
            fake.bodies.clear()
        for _ in range(2):
            for document in documents:
                result = await engine.generate(GenerateRequest([document, 41, 42], 10, document=str(document)))
                assert result.text == "price * count"
        return places(fakes)

    async def use(engine) -> None:
        at_first = await ask_all(engine)
        assert all(len(where) == 1 for where in at_first.values())
        assert {number for where in at_first.values() for number in where} == {0, 1, 2}
        fakes[1].failing = True
        meanwhile = await ask_all(engine)
        for document, where in at_first.items():
            assert meanwhile[document] == where or where == {1}
        assert not fakes[1].bodies
        fakes[1].failing = False
        while not all(replica.healthy for replica in engine._replicas):
            await asyncio.sleep(0.01)
        assert await ask_all(engine) == at_first

    with_replicas(fakes, tokenizer_file, use)


def test_a_replica_that_is_gone_is_passed_over_and_joins_when_it_is_back(tokenizer_file, monkeypatch):
    monkeypatch.setattr("midspan.engine.replicas.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("midspan.engine.replicas.LONGEST_PAUSE", 0.05)
    fakes = [FakeVllm(), FakeVllm()]

    async def run() -> None:
        async with running(*fakes):
            await fakes[0].stop()
            engine = await open_engine(f"{fakes[0].url},{fakes[1].url}", tokenizer=tokenizer_file)
            try:
                for number in range(8):
                    await engine.generate(GenerateRequest([40 + number], 10, document=str(number)))
                assert len(fakes[1].bodies) == 8
                await fakes[0].start()
                while not all(replica.healthy for replica in engine._replicas):
                    await asyncio.sleep(0.01)
                await fakes[1].stop()
                for number in range(8):
                    await engine.generate(GenerateRequest([40 + number], 10, document=str(number)))
                assert len(fakes[0].bodies) == 8
                await fakes[0].stop()
                with pytest.raises(EngineError):
                    await engine.generate(GenerateRequest([40], 10))
                with pytest.raises(EngineError, match="none of the 2 servers answers"):
                    await engine.generate(GenerateRequest([40], 10))
                for fake in fakes:
                    await fake.start()
            finally:
                await engine.close()

    asyncio.run(run())


def test_requests_of_no_document_spread_and_text_already_given_is_not_given_again(tokenizer_file):
    fakes = [FakeVllm(), FakeVllm()]

    async def use(engine) -> None:
        streams = [engine.stream(GenerateRequest([40 + number], 10)) for number in range(4)]
        for stream in streams:
            await anext(stream)
        assert [len(fake.bodies) for fake in fakes] == [2, 2]
        for stream in streams:
            await stream.aclose()
        for fake in fakes:
            fake.breaks_off = True
        items = []
        with pytest.raises(EngineError, match="broke"):
            async for item in engine.stream(GenerateRequest([40], 10)):
                items.append(item)
        assert [item.text for item in items] == ["price"]

    with_replicas(fakes, tokenizer_file, use)


def test_replicas_of_different_models_are_refused(tokenizer_file):
    async def unused(engine: object) -> None:
        raise AssertionError

    with pytest.raises(MidspanError, match="different models: one, two"):
        with_replicas([FakeVllm(model="one"), FakeVllm(model="two")], tokenizer_file, unused)
