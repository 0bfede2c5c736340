import asyncio
from dataclasses import replace

import pytest
from case_samples import corpus

from midspan.context.project import File, Project
from midspan.data.cases import draw_cases
from midspan.errors import MidspanError
from midspan.evaluate.answers import Answer, answers_file, ask, case_key
from midspan.recipe.progress import Progress
from midspan.recipe.schema import FimConfig

CORPUS = corpus()
CASES = draw_cases(lambda: CORPUS, 12, FimConfig(), 0)


class Parrot:
    """Answers the case's path, and counts how often it was asked."""

    name = "parrot"

    def __init__(self, identity="parrot", fail_after=1_000):
        self.identity, self.asked, self._fail_after = {"is": identity}, [], fail_after

    async def answer(self, case, project):
        if len(self.asked) == self._fail_after:
            raise MidspanError("killed")
        self.asked.append(case.id)
        await asyncio.sleep(0)
        return Answer(case.path, latency_ms=1.5, confidence=0.5)


def asked(system, journal, cases=CASES, projects=lambda: CORPUS):
    with Progress(quiet=True).task("ask") as task:
        return asyncio.run(ask(system, cases, projects, journal, 3, task))


def test_answers_come_in_the_order_of_the_cases_and_once(tmp_path):
    parrot = Parrot()
    expected = [Answer(case.path, latency_ms=1.5, confidence=0.5) for case in CASES]
    assert asked(parrot, tmp_path / "a.jsonl") == expected
    assert asked(parrot, tmp_path / "a.jsonl", CASES[::-1]) == expected[::-1]
    assert len(parrot.asked) == len(CASES)


def test_what_was_answered_before_a_failure_is_not_asked_again(tmp_path):
    broken, parrot = Parrot(fail_after=5), Parrot()
    with pytest.raises(MidspanError, match="killed"):
        asked(broken, tmp_path / "a.jsonl")
    asked(parrot, tmp_path / "a.jsonl")
    assert sorted(broken.asked + parrot.asked) == sorted(case.id for case in CASES)


def test_the_key_is_what_the_system_sees():
    case = CASES[0]
    project = Project.of("p", [File("a.py", "a = 1\n"), File(case.path, "")])
    assert case_key(case, project) == case_key(replace(case, middle="other", licence="none"), project)
    assert case_key(case, project) != case_key(replace(case, prefix=case.prefix + " "), project)
    assert case_key(case, project) != case_key(case, project.replace("a.py", "a = 2\n"))
    assert answers_file(Parrot("one")) != answers_file(Parrot("other"))


def test_a_case_without_its_project_is_an_error(tmp_path):
    with pytest.raises(MidspanError, match="project"):
        asked(Parrot(), tmp_path / "a.jsonl", projects=lambda: CORPUS[:1])


def test_two_writers_are_one_too_many(tmp_path):
    class Meddler(Parrot):
        async def answer(self, case, project):
            with Progress(quiet=True).task("ask") as task:
                return (await ask(Parrot(), [case], lambda: CORPUS, tmp_path / "a.jsonl", 1, task))[0]

    with pytest.raises(MidspanError, match="another process"):
        asked(Meddler(), tmp_path / "a.jsonl")
