from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from case_samples import corpus, document, module

from midspan.evaluate.benchmark.draw import draw_benchmark
from midspan.evaluate.benchmark.trivial import why_trivial
from midspan.fim.places import Place
from midspan.fim.split import Split
from midspan.recipe.benchmark import BenchmarkRecipe
from midspan.recipe.schema import DataConfig
from midspan.syntax.languages import LANGUAGES

PYTHON = LANGUAGES["python"]


def recipe(**settings):
    return BenchmarkRecipe(name="b", data=DataConfig(), **settings)


def documents(**sizes):
    return [one for _, files in corpus(**sizes) for one in files]


def draw(files, removed=None, **settings):
    return draw_benchmark(files, recipe(**settings), Counter() if removed is None else removed)


def test_a_case_is_a_place_in_its_file():
    files = documents()
    texts = {(one.project, one.path): one.text for one in files}
    cases = draw(files, cases_per_file=30)
    assert {case.kind for case in cases} == set(Place)
    assert len({case.id for case in cases}) == len(cases)
    for case in cases:
        assert case.prefix + case.middle + case.suffix == texts[case.project, case.path]
        assert case.licence == "MIT" and case.source == f"source of {case.project}"


def test_the_draw_is_a_function_of_documents_and_seed():
    assert draw(documents()) == draw(documents())
    assert {case.id for case in draw(documents(), seed=1)} != {case.id for case in draw(documents())}


def test_strata_projects_and_files_have_their_limits():
    cases = draw(documents(files=8), cases_per_stratum=5, cases_per_project=2, cases_per_file=3)
    assert set(Counter(case.kind for case in cases).values()) == {5}
    assert max(Counter((case.kind, case.project) for case in cases).values()) <= 2
    assert max(Counter((case.project, case.path) for case in cases).values()) <= 3


def test_the_projects_of_a_stratum_take_turns():
    files = [*documents(projects=1, files=20), *documents(projects=3, files=6, split="valid")]
    cases = draw(files, cases_per_stratum=8, cases_per_file=30)
    for kind in Place:
        assert len({case.project for case in cases if case.kind == kind}) == 4


def test_no_two_middles_of_a_file_overlap():
    spans = defaultdict(list)
    removed = Counter()
    for case in draw(documents(projects=1, files=2), removed, cases_per_file=20, cases_per_project=30):
        spans[case.path].append((len(case.prefix), len(case.prefix) + len(case.middle)))
    for found in spans.values():
        found.sort()
        assert all(left[1] <= right[0] for left, right in pairwise(found))
    assert removed["overlapping"]


def test_the_same_middle_in_the_same_lines_counts_once():
    removed = Counter()
    text = module("same", 1)
    cases = draw([document(f"p{number}", "a.py", text + f"# {number}\n") for number in range(5)], removed)
    assert removed["duplicate"]
    assert len({(case.prefix[-80:], case.middle, case.suffix[:40]) for case in cases}) == len(cases)


def test_text_without_a_grammar_gives_no_cases():
    assert draw([document("p", "a.txt", "One two.\nThree four.\n", language="text")]) == []


@pytest.mark.parametrize(
    ("prefix", "middle", "suffix", "reason"),
    [
        ("f(", ")\n]", "\n", "no_word"),
        ("x = [", "1, 2.5, 0", "]\n", "no_word"),
        ("", " \n", "x\n", "no_word"),
        ("x = ", "a1", "\n", "short"),
        ("if a:\n    b()\n", "else:", "\n    c()\n", "keyword"),
        ("try:\n    b()\nfin", "ally:", "\n    c()\n", "keyword"),
        ("def f():\n", "    pass", "\n", "keyword"),
        ("def f():\n", "    raise NotImplementedError", "\n", "stub"),
        ("x = ", "value", "\n    value + 1\n", "in_suffix"),
        ("a.append(1)\n", "a.append(1)", "\nb = 2\n", "repeated"),
        ("b = 2\n", "a.append(1)", "\nc = 2\na.append(1)\n", "repeated"),
        ("b = 2\na.ap", "pend(1)", "\nc = 2\na.append(1)\n", "repeated"),
        ("a = ", "value", "\nother\n", ""),
        ("x = ", "return_value(1)", "\n", ""),
        ("x = 1\n", "return x", "\n", ""),
        ("a.append(1)\n", "a.append(2)", "\nb = 2\n", ""),
    ],
)
def test_what_measures_nothing_is_trivial(prefix, middle, suffix, reason):
    assert why_trivial(Split(prefix, middle, suffix, "line_start", "line_start", "line"), PYTHON) == reason
