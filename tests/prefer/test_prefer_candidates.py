import asyncio

import pytest
from case_samples import MIDDLE, case, document

from midspan.errors import MidspanError
from midspan.prefer.candidates import judge_all
from midspan.prefer.judges.judge import LocalJudge, Verdict
from midspan.prefer.judges.reference import ReferenceJudge
from midspan.prefer.pairs import make_pairs
from midspan.prefer.sampling import Sample, Sampled
from midspan.prefer.shorten import MAX_VERSIONS, shorter_versions
from midspan.recipe.progress import Progress

RUN_ON = MIDDLE + "\n\ndef perimeter(radius):\n    return 2 * math.pi * radius\n\n\ndef other(a, b):\n    retu"


def judge_cases(cases, *samples, judge=None, include_truth=False, training=()):
    sampled = {where.id: Sampled([1], "", samples) for where in cases}
    with Progress(quiet=True).task("judge", len(cases)) as task:
        work = judge_all(cases, sampled, judge or ReferenceJudge(), include_truth, lambda: training, task)
        return asyncio.run(work)


def judged(*samples, **options):
    return judge_cases([case()], *samples, **options)["c1"]


def test_a_run_on_completion_is_cut_into_beginnings():
    versions = shorter_versions(case(), RUN_ON, ended=False)
    assert versions and len(versions) <= MAX_VERSIONS
    assert versions == sorted(versions, key=len)
    for version in versions:
        assert RUN_ON.startswith(version) and version.strip() and len(version) < len(RUN_ON)
    assert MIDDLE.strip() in {version.strip() for version in versions}


def test_what_the_model_ended_well_is_left_alone():
    assert shorter_versions(case(), MIDDLE, ended=True) == []


def test_text_without_grammar_does_not_fail():
    plain = case(prefix="one\n", middle="two\n", suffix="three\n", language="no such language")
    for version in shorter_versions(plain, "two\nand\nmore\n\nagain\n", ended=False):
        assert "two\nand\nmore\n\nagain\n".startswith(version)


def test_the_cut_version_beats_its_run_on_self():
    candidates = judged(Sample(RUN_ON, 0.8, False))
    by_source = {one.source for one in candidates}
    assert by_source == {"sampled", "shortened"}
    [pair, *_] = make_pairs("c1", candidates, 0.15, 2)
    assert pair.chosen.source == "shortened" and pair.chosen.text.strip() == MIDDLE.strip()
    assert pair.rejected.text == RUN_ON
    assert not pair.rejected.complete


def test_a_shortened_text_that_was_sampled_whole_stays_a_sample():
    candidates = judged(Sample(RUN_ON, 0.8, False), Sample(MIDDLE.rstrip("\n"), 0.2, True))
    texts = [one.text for one in candidates]
    assert len(set(texts)) == len(texts)
    assert next(one for one in candidates if one.text == MIDDLE.rstrip("\n")).source == "sampled"


def test_the_truth_is_a_candidate_only_where_asked_for():
    sample = Sample("        return None\n", 0.2, True)
    assert [one.text for one in judged(sample)] == ["        return None\n"]
    truth = judged(sample, include_truth=True)[-1]
    assert (truth.text, truth.source, truth.complete, truth.score) == (MIDDLE, "truth", True, 1.0)


def test_an_empty_text_cut_by_the_limit_is_no_candidate():
    assert judged(Sample("", 0.2, False)) == []


class Listener(LocalJudge):
    """Remembers what it was asked, and says nothing of the texts in `silent`."""

    name = "listener"

    def __init__(self, silent=(), parallel=1):
        self.asked, self.silent, self.parallel = [], silent, parallel
        self.running = self.most = 0

    async def judge(self, case, texts):
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.001)
        self.running -= 1
        self.asked += texts
        return [None if text in self.silent else Verdict(0.7, "fine") for text in texts]


def test_what_fails_a_check_is_not_shown_to_the_judge():
    judge = Listener()
    fine, broken = "        return None\n", "        raise ValueError((\n"
    candidates = judged(Sample(fine, 0.2, True), Sample(broken, 0.8, True), judge=judge)
    assert judge.asked == [fine]
    assert [(one.text, one.score, one.failed) for one in candidates] == [(fine, 0.7, ""), (broken, 0.0, "syntax")]


def test_what_the_judge_says_nothing_about_is_no_candidate():
    one, other = "        return 1\n", "        return 2\n"
    candidates = judged(Sample(one, 0.2, True), Sample(other, 0.2, True), judge=Listener(silent=[one]))
    assert [candidate.text for candidate in candidates] == [other]


def test_a_recited_text_fails():
    recited = "".join(f"    total_{number} = compute_the_value_of({number}, radius)\n" for number in range(8))
    training = [document("other", "a.py", f"def f(radius):\n{recited}    return 1\n", "train")]
    [candidate] = judged(Sample(recited, 0.2, True), training=training)
    assert candidate.failed == "verbatim" and candidate.value == 0
    [candidate] = judged(Sample(recited, 0.2, True), training=[document("shapes", "a.py", recited, "train")])
    assert candidate.failed == ""


@pytest.mark.parametrize("parallel", [1, 3])
def test_as_many_cases_side_by_side_as_the_judge_takes_and_all_in_order(parallel):
    cases = [case(id=f"c{number}") for number in range(7)]
    judge = Listener(parallel=parallel)
    found = judge_cases(cases, Sample("        return 1\n", 0.2, True), judge=judge)
    assert list(found) == [where.id for where in cases]
    assert judge.most == parallel
    assert all(len(candidates) == 1 for candidates in found.values())


def test_an_error_of_the_judge_ends_the_work():
    cases = [case(id=f"c{number}") for number in range(7)]
    sampled = {where.id: Sampled([1], "", (Sample("        return 1\n", 0.2, True),)) for where in cases}

    class FailsOnce(Listener):
        async def judge(self, case, texts):
            if case.id == "c1":
                raise MidspanError("the judge is gone")
            return await super().judge(case, texts)

    judge = FailsOnce(parallel=3)

    async def work(task):
        with pytest.raises(MidspanError, match="the judge is gone"):
            await judge_all(cases, sampled, judge, False, tuple, task)
        await asyncio.sleep(0.05)

    with Progress(quiet=True).task("judge", len(cases)) as task:
        asyncio.run(work(task))
    assert not judge.asked
