"""Text that comes too late is left out in whole lines."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from tiny_model import LESSONS, taught_gguf

from midspan.complete.completer import Completer
from midspan.complete.request import CompletionRequest
from midspan.complete.time_limit import TimeLimit
from midspan.engine.open import open_engine


@given(st.lists(st.text("ab\n", max_size=4), max_size=20), st.integers(1, 10))
def test_time_runs_out_behind_the_first_line_only(pieces, ms):
    time = iter(range(len(pieces) + 1))
    limit = TimeLimit(ms, clock=lambda: next(time) / 1_000)
    text = ""
    for number, piece in enumerate(pieces):
        text += piece
        if limit(text):
            assert number > ms
            assert limit.cut(text) == "\n".join(text.split("\n")[:-1])
            return
        assert "\n" not in text or number <= ms
    assert limit.cut(text) == text


def test_without_a_limit_nothing_is_late():
    limit = TimeLimit(None)
    assert not limit("a\nb\n") and limit.cut("a\nb") == "a\nb"


def test_a_suggestion_that_is_late_has_its_first_lines(tmp_path):
    lesson = LESSONS["two_lines"]

    async def run() -> list[str]:
        engine = await open_engine(str(taught_gguf()), runs=tmp_path, threads=1)
        completer = Completer(engine)
        request = CompletionRequest(lesson.path, lesson.prefix, lesson.suffix)
        try:
            late = CompletionRequest(lesson.path, lesson.prefix, lesson.suffix, max_ms=1e-6)
            return [(await completer.complete(one)).text for one in (request, late)]
        finally:
            await engine.close()

    whole, late = asyncio.run(run())
    assert whole == lesson.middle and late == lesson.middle.partition("\n")[0]
