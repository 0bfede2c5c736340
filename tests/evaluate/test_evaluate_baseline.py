import asyncio

import pytest
from case_samples import case

from midspan.context.project import File, Project
from midspan.evaluate.baseline import CopySystem, best_line

OTHER = """def load(path):
    with open(path) as file:
        return json.load(file)

def save(path, value):
    with open(path, "w") as file:
        json.dump(value, file)
"""
PROJECT = Project.of("p", [File("other.py", OTHER), File("shapes/round.py", "with open(path) as secret:\n")])


@pytest.mark.parametrize(
    ("prefix", "suffix", "copied"),
    [
        ("def read(path):\n    with open(path) as file:\n        ", "\n", "return json.load(file)"),
        ("def save(path, value):\n    with", "", ' open(path, "w") as file:'),
        ("x = compute(1)\ny = 2\nx = com", "", "pute(1)"),
        ("def a():\n    js", "\n", ""),
        ("nothing like it\n", "", ""),
        ("    jso", "\n    json.near(1)\n", "n.near(1)"),
    ],
)
def test_the_line_that_fits_best(prefix, suffix, copied):
    assert best_line(case(prefix=prefix, suffix=suffix), PROJECT) == copied


def test_the_truth_is_not_looked_at():
    """The project holds the case's own file, with its middle."""
    assert best_line(case(prefix="x\nwith open(path) as s", suffix="", middle="ecret:\n"), PROJECT) == ""


def test_raw_or_through_the_steps():
    here = case(prefix="def save(path, value):\n    with open(path", suffix=', "w") as file:\n')
    raw = asyncio.run(CopySystem(raw=True).answer(here, PROJECT))
    assert raw.suggestion == ', "w") as file:'
    through = asyncio.run(CopySystem(raw=False).answer(here, PROJECT))
    assert through.suggestion == "" and through.dropped
