from case_samples import MIDDLE, case

from midspan.prefer.candidates import judged_candidates
from midspan.prefer.judges.reference import ReferenceJudge
from midspan.prefer.pairs import make_pairs
from midspan.prefer.sampling import Sample, Sampled
from midspan.prefer.shorten import MAX_VERSIONS, shorter_versions

RUN_ON = MIDDLE + "\n\ndef perimeter(radius):\n    return 2 * math.pi * radius\n\n\ndef other(a, b):\n    retu"


def judged(*samples, include_truth=False):
    return judged_candidates(case(), Sampled([1], "", samples), ReferenceJudge(), include_truth)


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
