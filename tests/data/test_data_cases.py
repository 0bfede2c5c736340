from collections import Counter

from case_samples import corpus, document, module

from midspan.data.cases import KINDS, draw_cases, with_projects
from midspan.recipe.schema import FimConfig

FIM = FimConfig()


def draw(projects, count=40, seed=0):
    return draw_cases(lambda: projects, count, FIM, seed)


def test_a_case_is_a_place_in_its_file():
    projects = corpus()
    texts = {(name, one.path): one.text for name, documents in projects for one in documents}
    cases = draw(projects)
    assert len(cases) == 40
    for case in cases:
        assert case.prefix + case.middle + case.suffix == texts[case.project, case.path]
        assert case.licence == "MIT" and case.source == f"source of {case.project}"
        assert len(case.middle) <= FIM.max_middle_chars


def test_the_draw_is_a_function_of_its_arguments():
    assert draw(corpus()) == draw(corpus())
    assert draw(corpus(), seed=1) != draw(corpus())


def test_projects_and_kinds_get_even_shares():
    cases = draw(corpus())
    assert set(Counter(case.project for case in cases).values()) == {10}
    kinds = Counter(case.kind for case in cases)
    assert set(kinds) == set(KINDS)
    assert max(kinds.values()) - min(kinds.values()) <= 2


def test_small_languages_are_measured_and_large_ones_dominate():
    yaml = [
        document(
            "test0", f"c{n}.yaml", "".join(f"key{n}_{k}:\n  a: {k}\n  b: {n}\n" for k in range(6)), language="yaml"
        )
        for n in range(2)
    ]
    projects = corpus(projects=2, files=8)
    projects[0][1].extend(yaml)
    languages = Counter(case.language for case in draw(projects, 24))
    assert 1 <= languages["yaml"] < languages["python"]


def test_no_duplicates_and_nothing_trivial():
    text = module("same", 1)
    projects = [(f"p{n}", [document(f"p{n}", "a.py", text)]) for n in range(6)]
    middles = [" ".join(case.middle.split()) for case in draw(projects, 60)]
    assert middles
    assert len(set(middles)) == len(middles)
    assert all(any(map(str.isalnum, middle)) for middle in middles)
    assert draw([("p", [document("p", "a.py", "(\n)\n" * 20)])]) == []


def test_few_cases_of_many_projects_come_from_different_projects():
    cases = draw(corpus(projects=8), 5)
    assert len({case.project for case in cases}) == len(cases) == 5


def test_no_projects_no_cases():
    assert draw([]) == []


def test_every_case_comes_with_its_own_project():
    projects = corpus(projects=3)
    cases = draw(projects, 12)
    items = dict(with_projects(cases, lambda: projects))
    assert set(items) == {case.id for case in cases}
    for case, project in items.values():
        assert project.name == case.project
        assert case.path in project.files
