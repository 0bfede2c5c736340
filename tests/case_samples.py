"""Cases and candidates made by hand, for the tests of prefer and evaluate."""

import hashlib

from midspan.data.cases import Case
from midspan.data.corpus import Document
from midspan.prefer.pairs import Candidate

PREFIX = """import math


def area(radius):
"""
MIDDLE = """    if radius < 0:
        raise ValueError("negative radius")
    return math.pi * radius**2
"""
SUFFIX = """

def volume(radius):
    return 4 / 3 * math.pi * radius**3
"""


def case(
    middle: str = MIDDLE,
    prefix: str = PREFIX,
    suffix: str = SUFFIX,
    language: str = "python",
    project: str = "shapes",
    id: str = "c1",
    kind: str = "line_start",
) -> Case:
    return Case(id, project, "shapes/round.py", language, prefix, middle, suffix, kind, "block", "MIT", "folder")


def candidate(
    text: str, score: float = 0.5, failed: str = "", complete: bool = True, source: str = "sampled"
) -> Candidate:
    return Candidate(text, source, complete, 0.2, score, failed, "")


FUNCTION = '''
def {name}(values, limit={number}):
    """Sum the {name} values below the limit."""
    total = 0
    for value in values:
        if value < limit + {number}:
            total += value * {number}
        else:
            print("{name}", value, {number})
    return total / {number}

'''


def module(project: str, number: int) -> str:
    """Python source, different for each project and number."""
    return "import sys\n" + "".join(
        FUNCTION.format(name=f"{project}_{number}_{index}", number=number * 10 + index + 2) for index in range(4)
    )


def document(
    project: str, path: str, text: str, split: str = "test", language: str = "python", source: str = ""
) -> Document:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Document(project, path, language, text, "MIT", source or f"source of {project}", digest, split)


def corpus(projects: int = 4, files: int = 5, split: str = "test") -> list[tuple[str, list[Document]]]:
    """(name, documents) of several projects."""
    return [
        (
            f"{split}{project}",
            [
                document(f"{split}{project}", f"pkg/m{number}.py", module(f"{split}{project}", number), split)
                for number in range(files)
            ],
        )
        for project in range(projects)
    ]
