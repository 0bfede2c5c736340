"""The embedded engine with real models: what it answers, how it dies, how it comes back."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import psutil
import pytest
import tiny_model
from tiny_model import LESSONS

from midspan.engine.grammar import starting_with
from midspan.engine.llama_cpp import LlamaCppEngine, batch_tokens, open_llama_cpp
from midspan.engine.protocol import Delta, EngineError, GenerateRequest, Generation
from midspan.engine.supervisor import FREE_RESTARTS, Patience
from midspan.engine.torch_engine import open_torch
from midspan.errors import MidspanError
from midspan.model.gguf_tokenizer import read_tokenizer
from midspan.prompt.build import Prompt, make_prompt
from midspan.prompt.formats import FORMATS
from midspan.prompt.tokenizer import Tokenizer


def with_engine(path: Path, use: Callable[[LlamaCppEngine], Awaitable[object]], length: int = 1024, **options) -> None:
    async def run() -> None:
        engine = await open_llama_cpp(
            path,
            name="test",
            tokenizer=read_tokenizer(path),
            format=FORMATS["mellum"],
            prompt_config=tiny_model.CONFIG,
            context_length=length,
            threads=1,
            **({"slots": 2} | options),
        )
        try:
            await use(engine)
        finally:
            await engine.close()

    asyncio.run(run())


def prompt_of(tokenizer: Tokenizer, name: str) -> Prompt:
    lesson = LESSONS[name]
    return make_prompt(
        tokenizer,
        FORMATS["mellum"],
        lesson.project,
        path=lesson.path,
        prefix=lesson.prefix,
        suffix=lesson.suffix,
        strategy=tiny_model.CONFIG.strategy,
        config=tiny_model.CONFIG,
    )


async def busy(engine: LlamaCppEngine) -> bool:
    child = engine._supervisor._child
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {child.key}"}, trust_env=False) as client:
        return any(slot["is_processing"] for slot in (await client.get(f"{child.address}/slots")).json())


def test_learnt_completions_come_back_streamed_and_whole(taught_gguf):
    async def use(engine: LlamaCppEngine) -> None:
        for name, lesson in LESSONS.items():
            if not lesson.ends:
                continue
            prompt = prompt_of(engine.tokenizer, name)
            items = [item async for item in engine.stream(GenerateRequest(prompt.ids, 200, starts_with=prompt.healed))]
            *deltas, generation = items
            assert isinstance(generation, Generation)
            assert all(isinstance(delta, Delta) for delta in deltas)
            assert generation.text == lesson.middle, name
            assert "".join(delta.text for delta in deltas) == lesson.middle
            assert sum((delta.logprobs for delta in deltas), ()) == generation.logprobs
            assert generation.stop_reason == "end"
            assert generation.prompt_tokens == len(prompt.ids)

    with_engine(taught_gguf, use)


def test_logprobs_are_those_of_the_reference_engine(taught_gguf, taught_hf):
    reference = open_torch(taught_hf)

    async def use(engine: LlamaCppEngine) -> None:
        for name in ("block", "healed", "context"):
            prompt = prompt_of(engine.tokenizer, name)
            request = GenerateRequest(prompt.ids, 40, starts_with=prompt.healed)
            ours, theirs = await engine.generate(request), await reference.generate(request)
            assert ours.text == theirs.text
            assert ours.logprobs == pytest.approx(theirs.logprobs, abs=2e-3)
            assert (ours.stop_reason, ours.completion_tokens) == (theirs.stop_reason, theirs.completion_tokens)

    with_engine(taught_gguf, use)


STARTS = (
    *(" x", "}])'", "a\x7f\x01b", '"\\\n\t', "[^\\x00]*"),
    *("    ", "\n\n    ", "\t\t\r\n  ", " " * 64, "\xa0\u2003"),
    *("é🙂", "𝔸日本", "👩\u200d👧🏽", "cafe\u0301", "\ud7ff\uffff", "\ufffd", "\x85\u2028\u2029\x0b\x1c"),
)


def test_any_text_can_be_made_to_come_first(taught_gguf, taught_hf):
    reference = open_torch(taught_hf)

    async def use(engine: LlamaCppEngine) -> None:
        ids = prompt_of(engine.tokenizer, "block").ids
        for start in STARTS:
            request = GenerateRequest(ids, len(start.encode()) + 4, starts_with=start)
            ours, theirs = await engine.generate(request), await reference.generate(request)
            # The whole prompt, not one with the text at its end: the text was generated, not prefilled.
            assert ours.prompt_tokens == theirs.prompt_tokens == len(ids), start
            # What follows a start this strange may be a near tie, which each engine's rounding decides for itself.
            assert all(len(result.logprobs) < result.completion_tokens for result in (ours, theirs)), start

    with_engine(taught_gguf, use)


@pytest.mark.parametrize(
    ("start", "max_tokens", "with_torch"),
    [("a\0b", 8, False), ("<fim_middle>a", 20, False), ("zebra crossing", 2, True), ("語", 1, True)],
)
def test_text_that_cannot_be_made_to_come_first_is_prefilled(taught_gguf, taught_hf, start, max_tokens, with_torch):
    reference = open_torch(taught_hf)

    async def use(engine: LlamaCppEngine) -> None:
        ids = prompt_of(engine.tokenizer, "block").ids
        request = GenerateRequest(ids, max_tokens, starts_with=start)
        free = GenerateRequest(ids + engine.tokenizer.encode(start), max_tokens)
        full = GenerateRequest([ids[0]] * (engine.context_length - 1), 1, starts_with=start)
        for one in (engine, reference) if with_torch else (engine,):
            result, expected = await one.generate(request), await one.generate(free)
            assert (result.text, result.stop_reason) == (expected.text, expected.stop_reason)
            assert result.prompt_tokens == len(free.prompt)
            with pytest.raises(MidspanError, match="lower prompt"):
                await one.generate(full)
        if not with_torch:
            assert (await reference.generate(request)).prompt_tokens == len(ids)

    with_engine(taught_gguf, use)


def test_grammar_escapes_everything_that_is_not_plain():
    assert starting_with('a"\\\n é𝔸') == 'root ::= "a\\x22\\x5C\\x0A \\xE9\\U0001D538" [^\\x00]*'


def test_second_prompt_reuses_the_first_ones_cache(taught_gguf):
    async def use(engine: LlamaCppEngine) -> None:
        ids = prompt_of(engine.tokenizer, "context").ids
        first = await engine.generate(GenerateRequest(ids, 2))
        again = await engine.generate(GenerateRequest([*ids[:-1], ids[0], ids[-1]], 2))
        assert first.cached_tokens == 0
        assert again.cached_tokens == len(ids) - 1
        anew = await engine.generate(GenerateRequest(ids, 2, reuse_cache=False))
        assert (anew.text, anew.cached_tokens) == (first.text, 0)

    with_engine(taught_gguf, use)


def test_prefilled_prompt_is_in_the_cache(taught_gguf):
    async def use(engine: LlamaCppEngine) -> None:
        ids = prompt_of(engine.tokenizer, "context").ids
        await engine.prefill(GenerateRequest(ids, 1))
        assert (await engine.generate(GenerateRequest(ids, 2))).cached_tokens == len(ids) - 1
        with pytest.raises(MidspanError, match="lower prompt"):
            await engine.prefill(GenerateRequest([40] * 1024, 1))

    with_engine(taught_gguf, use)


def test_sampling_follows_the_seed(taught_gguf):
    async def use(engine: LlamaCppEngine) -> None:
        ids = engine.tokenizer.encode("import something\n")
        texts = [
            (await engine.generate(GenerateRequest(ids, 12, temperature=1.5, seed=seed))).text for seed in (1, 1, 2, 3)
        ]
        assert texts[0] == texts[1]
        assert len(set(texts)) > 1

    with_engine(taught_gguf, use)


def test_stop_until_length_and_refusals(taught_gguf):
    async def use(engine: LlamaCppEngine) -> None:
        prompt = prompt_of(engine.tokenizer, "two_lines")
        stopped = await engine.generate(GenerateRequest(prompt.ids, 50, starts_with=prompt.healed, stop=("b\n",)))
        assert (stopped.text, stopped.stop_reason) == ("result = a + ", "stop")
        until = await engine.generate(
            GenerateRequest(prompt.ids, 50, starts_with=prompt.healed, until=lambda text: "\n" in text)
        )
        assert until.text.startswith("result = a + b\n")
        assert (until.stop_reason, until.prompt_tokens) == ("stop", len(prompt.ids))
        short = await engine.generate(GenerateRequest(prompt.ids, 3, starts_with=prompt.healed))
        assert (short.stop_reason, short.completion_tokens) == ("length", 3)
        last = await engine.generate(GenerateRequest([40] * 1020, 50))
        assert last.completion_tokens <= 4
        for ids in ([], [40] * 1024, [9_999_999]):
            with pytest.raises(MidspanError):
                await engine.generate(GenerateRequest(ids, 4))

    with_engine(taught_gguf, use)


def test_closing_the_stream_cancels_the_work(smollm2):
    async def use(engine: LlamaCppEngine) -> None:
        ids = engine.tokenizer.encode("Once upon a time")
        stream = engine.stream(GenerateRequest(ids, 900))
        await anext(stream)
        assert await busy(engine)
        await stream.aclose()
        started = time.monotonic()
        while await busy(engine):
            assert time.monotonic() - started < 2
            await asyncio.sleep(0.01)
        task = asyncio.create_task(engine.generate(GenerateRequest(ids, 900)))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        started = time.monotonic()
        while await busy(engine):
            assert time.monotonic() - started < 2
            await asyncio.sleep(0.01)

    with_engine(smollm2, use)


def test_killed_child_fails_its_requests_and_is_restarted(smollm2):
    async def use(engine: LlamaCppEngine) -> None:
        ids = engine.tokenizer.encode("Once upon a time")
        expected = (await engine.generate(GenerateRequest(ids, 4))).text
        first = engine.process_id
        tasks = [asyncio.create_task(engine.generate(GenerateRequest(ids, 900))) for _ in range(2)]
        while not await busy(engine):
            await asyncio.sleep(0.01)
        os.kill(first, signal.SIGKILL)
        for task in tasks:
            with pytest.raises(EngineError, match="SIGKILL"):
                await task
        results = await asyncio.gather(*(engine.generate(GenerateRequest(ids, 4)) for _ in range(3)))
        assert {result.text for result in results} == {expected}
        second = engine.process_id
        assert second not in (None, first)
        os.kill(second, signal.SIGKILL)
        while engine.process_id == second:
            await asyncio.sleep(0.01)
        assert (await engine.generate(GenerateRequest(ids, 4))).text == expected

    with_engine(smollm2, use, length=1024)


def test_child_without_life_is_killed_and_started_again(taught_gguf):
    async def use(engine: LlamaCppEngine) -> None:
        ids = engine.tokenizer.encode("la la ")
        expected = (await engine.generate(GenerateRequest(ids, 4))).text
        hung = engine.process_id
        os.kill(hung, signal.SIGSTOP)
        requests = [asyncio.create_task(engine.generate(GenerateRequest(ids, 400))) for _ in range(3)]
        for request in requests:
            with pytest.raises(EngineError, match="no sign of life"):
                await request
        assert not psutil.pid_exists(hung)
        assert (await engine.generate(GenerateRequest(ids, 4))).text == expected

    with_engine(taught_gguf, use, patience=Patience(0.1, 0.5))


def test_long_work_and_waiting_for_a_turn_are_signs_of_life(taught_gguf):
    async def use(engine: LlamaCppEngine) -> None:
        first = engine.process_id
        prompts = [engine.tokenizer.encode(f"{number} " * 450) for number in range(3)]
        results = await asyncio.gather(*(engine.generate(GenerateRequest(ids, 20)) for ids in prompts))
        assert all(result.completion_tokens for result in results)
        assert engine.process_id == first

    with_engine(taught_gguf, use, slots=1, patience=Patience(0.001, 60.0))


def test_child_that_keeps_ending_is_left_alone_for_longer_and_longer(taught_gguf, monkeypatch):
    monkeypatch.setattr("midspan.engine.supervisor.FIRST_PAUSE", 5.0)

    async def use(engine: LlamaCppEngine) -> None:
        for _ in range(FREE_RESTARTS + 1):
            await engine.ready()
            os.kill(engine.process_id, signal.SIGKILL)
            while engine.process_id is not None:
                await asyncio.sleep(0.01)
        with pytest.raises(EngineError, match=r"ended 3 times in a row.*SIGKILL.*started again in"):
            await engine.ready()
        while engine.process_id is None:
            await asyncio.sleep(0.05)
        await engine.generate(GenerateRequest([40], 2))

    with_engine(taught_gguf, use)


def test_documents_keep_their_slots_and_come_back_from_where_they_were_set_aside(taught_gguf):
    async def use(engine: LlamaCppEngine) -> None:
        head = engine.tokenizer.encode("import os\n" * 20)
        prompts = {name: head + engine.tokenizer.encode(f"{name} = {name}\n" * 30) for name in "abc"}
        for number, name in enumerate("abcabbccaabc" * 2):
            prompts[name] = [*prompts[name], 40 + number]
            result = await engine.generate(GenerateRequest(prompts[name], 3, document=name))
            if number > 2:
                assert result.cached_tokens == len(prompts[name]) - 1, (number, name)

    with_engine(taught_gguf, use)


def test_batches_are_as_large_as_cancellation_allows():
    sizes = [batch_tokens(weight_bytes) for weight_bytes in (0, 2_700_000, 35_600_000, 135_000_000, 8_000_000_000)]
    assert sizes == [512, 128, 16, 4, 4]


@pytest.mark.slow
def test_cancelled_reading_of_a_prompt_stops_before_its_end(smollm2):
    async def use(engine: LlamaCppEngine) -> None:
        request = GenerateRequest(engine.tokenizer.encode(" one two three" * 100), 1, document="a")
        for cancelled in (engine.generate(request), engine.prefill(request)):
            task = asyncio.create_task(cancelled)
            while not await busy(engine):
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while await busy(engine):
                await asyncio.sleep(0.001)
        assert (await engine.generate(request)).cached_tokens < len(request.prompt) - 1

    with_engine(smollm2, use)


def test_child_ends_with_its_parent_and_hides_its_key(taught_gguf):
    program = textwrap.dedent("""
        import asyncio, sys
        from pathlib import Path
        from midspan.engine.open import open_engine

        async def main():
            engine = await open_engine(sys.argv[1], runs=Path("."), threads=1)
            print(engine.process_id, engine._supervisor._child.key, flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
    """)
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(taught_gguf)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    number, key = parent.stdout.readline().split()
    child = psutil.Process(int(number))
    assert key not in " ".join(child.cmdline())
    assert key not in str(child.environ())
    address = next(c.laddr for c in child.net_connections("tcp") if c.status == psutil.CONN_LISTEN)
    assert address.ip == "127.0.0.1"
    assert httpx.get(f"http://127.0.0.1:{address.port}/slots", trust_env=False).status_code == 401
    parent.kill()
    parent.wait()
    parent.stdout.close()
    child.wait(timeout=5)


def test_closed_engine_refuses(taught_gguf):
    async def use(engine: LlamaCppEngine) -> None:
        await engine.close()
        assert engine.process_id is None
        with pytest.raises(EngineError):
            await engine.generate(GenerateRequest([40], 4))

    with_engine(taught_gguf, use)
