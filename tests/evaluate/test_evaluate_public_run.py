import asyncio
from types import SimpleNamespace

from midspan.complete.request import CompletionRequest
from midspan.evaluate.public.humaneval_infilling import Problem
from midspan.evaluate.public.run import RAW, Settings, run_problems, summarise
from midspan.recipe.progress import Progress

PROBLEM = Problem(
    "S/HumanEval/0/L0", "def one():\n", "", "    return 1\n", "def check(f):\n    assert f() == 1\n", "one"
)
OTHER = Problem("S/HumanEval/1/L0", "def two():\n", "", "    return 2\n", "def check(f):\n    assert f() == 2\n", "two")


class Writer:
    """Stands for a completer: by seed, a right and a wrong completion."""

    def __init__(self):
        self.asked: list[CompletionRequest] = []

    async def complete(self, request):
        self.asked.append(request)
        return SimpleNamespace(text="    return 1\n" if request.seed % 2 == 0 else "    return 3\n")


def run(writer, problems, settings, journal):
    with Progress(quiet=True).task("", 1) as task:
        return asyncio.run(run_problems(writer, problems, settings, journal, 1, task))


def test_every_sample_is_judged_and_nothing_is_asked_twice(tmp_path):
    writer, settings = Writer(), Settings(samples=4, temperature=0.8)
    records = run(writer, [PROBLEM], settings, tmp_path / "journal")
    assert records[0]["verdicts"] == ["passed", "failed", "passed", "failed"]
    assert [request.seed for request in writer.asked] == [0, 1, 2, 3]
    assert all(request.skip == RAW and request.temperature == 0.8 for request in writer.asked)
    more = run(writer, [PROBLEM, OTHER], settings, tmp_path / "journal")
    assert len(writer.asked) == 8 and more[0] == records[0]
    result = summarise([PROBLEM, OTHER], more, ks=(1, 2, 10))
    assert (result.problems, result.samples, set(result.pass_at)) == (2, 4, {1, 2})
    assert result.pass_at[1].value == 0.25


def test_the_logic_is_taken_where_it_is_asked_for(tmp_path):
    writer = Writer()
    run(writer, [PROBLEM], Settings(raw=False), tmp_path / "journal")
    assert writer.asked[0].skip == frozenset() and writer.asked[0].caret == "auto"
