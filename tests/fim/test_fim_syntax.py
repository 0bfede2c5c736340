"""Syntax-aware cuts: always a partition, always within the limit, kinds as weighted, middles as a developer writes."""

import random
import sysconfig
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.errors import MidspanError
from midspan.fim.split import document_rng
from midspan.fim.syntax import syntax_split
from midspan.recipe.schema import CutWeights, FimConfig
from midspan.syntax.cuts import CutKind
from midspan.syntax.languages import LANGUAGES

PYTHON = LANGUAGES["python"]
SCRAPS = [
    *("\r\n", "\n", "\r", "\t", "    ", " ", "def f(x):", "if a:", "{", "}", "(a, b)", "foo", "'", '"""', "#", ";"),
    *("é", "e\u0301", "🙂", "👩‍👩‍👧", "\ufeff", "\u2028", "\x00", "\x0c"),
]
NAMES = [None, "python", "java", "javascript", "bash", "markdown", "html", "c"]


def texts():
    scraps = st.lists(st.sampled_from(SCRAPS), max_size=60).map("".join)
    return st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), scraps)


def only(kind: str) -> CutWeights:
    return CutWeights(**{name: float(name == kind) for name in CutKind})


def check(text: str, name: str | None, seed: int, config: FimConfig) -> None:
    language = LANGUAGES[name] if name else None
    split = syntax_split(text, language, random.Random(seed), config)
    assert split == syntax_split(text, language, random.Random(seed), config)
    if split is None:
        return
    assert split.prefix + split.middle + split.suffix == text
    assert 1 <= len(split.middle) <= config.max_middle_chars
    assert split.middle.encode().strip()
    for left, right in [(split.prefix, split.middle), (split.middle, split.suffix)]:
        assert not (left.endswith("\r") and right.startswith("\n"))


@given(text=texts(), name=st.sampled_from(NAMES), seed=st.integers(0, 2**32), limit=st.sampled_from([1, 3, 20, 700]))
def test_any_text_is_partitioned_within_the_limit(text, name, seed, limit):
    check(text, name, seed, FimConfig(max_middle_chars=limit))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "\n",
        " \t ",
        "\r\n",
        "\ufeffx = 1\r\n",
        "x = 1",
        "a" * 50_000,
        "🙂" * 5_000,
        "foo(a, b); " * 5_000,
        "(" * 999,
    ],
    ids=[
        "empty",
        "letter",
        "break",
        "blank",
        "crlf",
        "bom",
        "no final break",
        "one word",
        "emoji",
        "giant line",
        "open",
    ],
)
def test_odd_files(name, text):
    for seed in range(20):
        check(text, name, seed, FimConfig())


def test_nothing_but_blanks_has_no_cut():
    assert syntax_split(" \n\t\r\n", PYTHON, random.Random(0), FimConfig()) is None


def test_some_cut_is_found_wherever_there_is_a_word():
    assert all(syntax_split("word", None, random.Random(seed), FimConfig()) for seed in range(50))


def test_weights_that_are_all_zero_are_refused():
    zero = CutWeights(block_boundary=0, line_start=0, line_middle=0, token_middle=0)
    with pytest.raises(MidspanError, match=r"fim\.end"):
        syntax_split("x = 1\n", PYTHON, random.Random(0), FimConfig(end=zero))


SOURCE = "import os\n\n\ndef total(items):\n    value = sum(items, 0)\n    return value\n"


def middles(start: str, end: str, unit: str | None = None) -> set[tuple[str, str]]:
    config = FimConfig(start=only(start), end=only(end))
    splits = [syntax_split(SOURCE, PYTHON, document_rng(0, 0, str(n)), config) for n in range(400)]
    assert all(split and split.start_kind == start and split.end_kind == end for split in splits)
    return {(s.prefix.rsplit("\n", 1)[-1], s.middle) for s in splits if s and unit in (None, s.unit)}


def test_body_of_a_function():
    body = "value = sum(items, 0)\n    return value"
    expected = {("    ", body), ("def total(items):", f"\n    {body}")}
    assert middles("block_boundary", "block_boundary") == expected


def test_rest_of_the_line():
    found = middles("line_middle", "line_start", "line")
    assert {("    value = ", "sum(items, 0)"), ("    return", " value"), ("import ", "os")} <= found
    assert all("\n" not in middle for _, middle in found)


def test_rest_of_the_word_and_of_the_line():
    assert ("    val", "ue") in middles("token_middle", "line_middle", "token")
    assert ("    ret", "urn value") in middles("token_middle", "line_start", "line")


def test_arguments():
    found = middles("line_middle", "line_middle", "arguments")
    assert {("    value = sum(", "items, 0"), ("def total(", "items")} <= found


def test_statements_from_the_start_of_a_line():
    found = middles("line_start", "line_start")
    assert ("    ", "value = sum(items, 0)") in found
    assert ("", "def total(items):\n    value = sum(items, 0)\n    return value") in found


def library_files(count: int) -> list[Path]:
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    return [file for file in files if 4_000 < file.stat().st_size < 40_000][:count]


def test_kinds_come_out_as_weighted():
    starts = CutWeights(block_boundary=0.4, line_start=0.3, line_middle=0.2, token_middle=0.1)
    ends = CutWeights(block_boundary=0.1, line_start=0.2, line_middle=0.3, token_middle=0.4)
    config = FimConfig(start=starts, end=ends)
    start_counts, end_counts, total = Counter(), Counter(), 0
    for path in library_files(40):
        text = path.read_text(encoding="utf-8")[:8_000]
        for epoch in range(40):
            split = syntax_split(text, PYTHON, document_rng(0, epoch, path.name), config)
            assert split
            start_counts[split.start_kind] += 1
            end_counts[split.end_kind] += 1
            total += 1
    assert total >= 1_200
    for kind in CutKind:
        assert abs(start_counts[kind] / total - getattr(starts, kind)) < 0.04
        assert abs(end_counts[kind] / total - getattr(ends, kind)) < 0.04
