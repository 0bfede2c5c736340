"""SAFIM, Syntax-Aware Fill-in-the-Middle (Gong et al. 2024, arXiv 2403.04814): blocks, control expressions, API calls.

What a model writes is cut as its authors do:

- block: lines are taken off the end until the program parses, and its tree, the hole aside, is that of the program with
  an empty body in the hole;
- control: Python's first visible line; elsewhere up to the bracket that closes what was opened before the hole;
- API: up to the bracket that closes the call.

Blocks and control expressions pass if the program answers every test, a text on standard input, with one of the texts
expected. Programs in Python run confined (`evaluate.sandbox`), in CPython instead of the authors' PyPy and with
correspondingly more time; the other languages would need compilers, so of them only the share that equals the truth is
given, which is a lower bound. API calls have no tests: they pass if they are the truth but for white space and,
in Python, for the order of keyword arguments.
"""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tree_sitter

from midspan.evaluate.public.suite import Gap, Scores, Suite
from midspan.evaluate.sandbox.run import Limits, run_python
from midspan.syntax.languages import LANGUAGES
from midspan.syntax.parse import parse

LIMITS = Limits(seconds=15.0)
"""For one test."""
HOLE = "{{completion}}"
PLACEHOLDERS = {"python": "# TODO: Your code here"} | dict.fromkeys(
    ("java", "cpp", "csharp"), "/* TODO: Your code here */"
)
SUFFIXES = {"python": "py", "java": "java", "cpp": "cpp", "csharp": "cs"}

_PASS_EVENTS = 4
"""Events of the statement `pass`, which stands for Python's empty body."""

Event = tuple[bool, str]
"""A node is entered or left, and its type."""


@dataclass(frozen=True)
class Program(Gap):
    """`before` and `behind` are the program that is run; the prefix also describes the task."""

    before: str = ""
    behind: str = ""
    tests: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Standard input, and the outputs that are right."""
    kind: str = ""


def gap(subset: str, row: dict[str, Any]) -> Program:
    """The problem of a row."""
    language = row["lang"]
    prefix, suffix = row["prompt"].split(PLACEHOLDERS[language])
    before, behind = row["eval_prompt"].split(HOLE)
    tests = row.get("unit_tests") or []
    if isinstance(tests, str):
        tests = json.loads(tests)
    return Program(
        id=row["task_id"],
        group=row["task_id"],
        part=language,
        language=language,
        path=f"solution.{SUFFIXES[language]}",
        prefix=prefix,
        suffix=suffix,
        truth=row["ground_truth"],
        before=before,
        behind=behind,
        tests=tuple((str(test["input"]), tuple(map(str, test["output"]))) for test in tests),
        kind=subset,
    )


def judge(program: Program, completion: str) -> Scores:
    """`passed`, None where it would take a compiler to know, and `exact`; what equals the truth is not run."""
    written = cut(program, completion)
    exact = written == program.truth
    passed: bool | None = None
    if not program.tests:
        passed = is_same_call(written, program.truth, program.language)
    elif program.language == "python":
        passed = exact or runs(program, written)
    return {"passed": None if passed is None else float(passed), "exact": float(exact)}


def cut(program: Program, completion: str) -> str:
    """What counts of a completion."""
    match program.kind:
        case "block":
            return cut_block(program, completion)
        case "control" if program.language == "python":
            return next((line for line in completion.splitlines() if line.strip()), "")
        case "control":
            return _up_to_closing(completion, opened=1)
        case _:
            return _up_to_closing(completion, opened=0)


def _up_to_closing(completion: str, opened: int) -> str:
    """Up to the bracket that brings the depth to 0; that bracket itself belongs to it if it was opened inside."""
    depth = opened
    for at, character in enumerate(completion):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth <= 0:
                return completion[: at if opened else at + 1]
    return completion


def cut_block(program: Program, completion: str) -> str:
    """The longest run of whole lines, from the first, that leaves the program around it as it is; "" if none does."""
    empty = "pass" if program.language == "python" else ""
    around = _events(program, empty)
    if around is None:
        return completion
    wanted = len(around) - (_PASS_EVENTS if empty else 0)
    lines = completion.splitlines(keepends=True)
    while lines:
        events = _events(program, "".join(lines))
        if events is not None and len(events) >= len(around):
            front = _common(around, events)
            back = _common(around[::-1], events[::-1])
            if front + back == wanted:
                break
        lines.pop()
    return "".join(lines)


def _common(left: list[Event], right: list[Event]) -> int:
    pairs = zip(left, right, strict=False)
    return next((number for number, (one, other) in enumerate(pairs) if one != other), min(len(left), len(right)))


def _events(program: Program, middle: str) -> list[Event] | None:
    """The nodes of the program's tree as they are entered and left; None if it does not parse. A stray `;` may be."""
    tree = parse((program.before + middle + program.behind).encode(), LANGUAGES[program.language])
    events: list[Event] = []
    for node, entered in _walk(tree):
        if entered and node.type == "ERROR" and node.text != b";":
            return None
        events.append((entered, node.type))
    return events


def _walk(tree: tree_sitter.Tree) -> Iterator[tuple[tree_sitter.Node, bool]]:
    cursor = tree.walk()
    while True:
        assert cursor.node is not None
        yield cursor.node, True
        if cursor.goto_first_child():
            continue
        while True:
            yield cursor.node, False
            if cursor.goto_next_sibling():
                break
            if not cursor.goto_parent():
                return


def is_same_call(written: str, truth: str, language: str) -> bool:
    """Whether two calls are the same, white space aside; in Python keyword arguments may come in another order."""
    left, right = (re.sub(r"\s+", "", text) for text in (written, truth))
    if language == "python":
        calls = (_call(left), _call(right))
        if all(calls):
            return calls[0] == calls[1]
    return left == right


def _call(text: str) -> tuple[list[str], dict[str | None, str]] | None:
    """The arguments of a call, by place and by name. What is called does not count, as with the authors."""
    try:
        body = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(body, ast.Call):
        return None
    return [ast.dump(each) for each in body.args], {each.arg: ast.dump(each.value) for each in body.keywords}


_HARNESS = """
import io, sys
_out = io.StringIO()
sys.stdin, sys.stdout = io.TextIOWrapper(io.BytesIO({input!r}.encode())), _out
try:
    exec(compile({program!r}, "solution.py", "exec"), {{"__name__": "__main__"}})
except SystemExit as end:
    if end.code not in (None, 0):
        raise
def lines(text):
    return [line.rstrip() for line in text.rstrip().splitlines()]
assert any(lines(_out.getvalue()) == lines(each) for each in {outputs!r})
"""


def runs(program: Program, written: str) -> bool:
    """Whether the program, in Python, answers all tests; white space at the end of lines does not count."""
    text = program.before + written + program.behind
    return all(
        run_python(_HARNESS.format(input=given, program=text, outputs=outputs), LIMITS).verdict == "passed"
        for given, outputs in program.tests
    )


SAFIM = Suite(
    name="safim",
    title="SAFIM",
    origin="https://huggingface.co/datasets/gonglinyuan/safim",
    files={kind: f"{kind}_completion.jsonl.gz" for kind in ("block", "control", "api")},
    gap=gap,
    judge=judge,
)
