"""Syntax-aware cuts: always a partition, always within the limit, kinds as weighted, middles as a developer writes."""

import random
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.errors import MidspanError
from midspan.fim.report import cut_report
from midspan.fim.split import Split, document_rng
from midspan.fim.syntax import syntax_split
from midspan.recipe.schema import CutWeights, FimConfig
from midspan.syntax.cuts import CutKind
from midspan.syntax.languages import LANGUAGES

PYTHON = LANGUAGES["python"]
SCRAPS = [
    *("\r\n", "\n", "\r", "\t", "    ", " ", "def f(x):", "if a:", "{", "}", "(a, b)", "foo", "'", '"""', "#", ";"),
    *("é", "e\u0301", "🙂", "👩‍👩‍👧", "\ufeff", "\u2028", "\x00", "\x0c"),
]
NAMES = [None, *LANGUAGES]


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
    assert (split.prefix + split.middle + split.suffix).encode() == text.encode()
    assert any(map(str.isalnum, split.middle))
    assert len(split.middle.strip()) >= 2
    assert split.start_kind in set(CutKind)
    assert split.end_kind in set(CutKind)
    assert split.unit in {"block", "statement", "arguments", "line", "token"}
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
        "def f(x):\r\n\tif x:\r\n\t\treturn 'é', e\u0301 + 1\r\n\treturn 2",
        "a" * 50_000,
        "🙂" * 5_000,
        "foo(a, b); " * 1_000,
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
        "crlf and tabs",
        "one word",
        "emoji",
        "giant line",
        "open",
    ],
)
def test_odd_files(name, text):
    for seed in range(4):
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


def drawn(source: str, name: str, start: str, end: str) -> list[Split]:
    """The cuts of these kinds that 300 draws give."""
    config = FimConfig(start=only(start), end=only(end))
    splits = [syntax_split(source, LANGUAGES[name], document_rng(0, 0, str(n)), config) for n in range(300)]
    return [split for split in splits if split]


COMMENTED = """def area(side):
    \"\"\"The area of a square.

    Given its side length.
    \"\"\"
    result = side * side  # always positive
    return result
"""


@pytest.mark.parametrize("start", ["line_start", "line_middle", "token_middle"])
@pytest.mark.parametrize("end", list(CutKind))
def test_a_middle_that_starts_in_a_docstring_stays_in_its_line(start, end):
    first, last = COMMENTED.index("The area"), COMMENTED.index('"""\n    result')
    inside = [split for split in drawn(COMMENTED, "python", start, end) if first <= len(split.prefix) < last]
    assert all("\n" not in split.middle for split in inside)
    assert bool(inside) == ((start, end) in TEXT_PAIRS)


TEXT_PAIRS = {
    *(("line_start", end) for end in ("line_start", "token_middle")),
    *(("line_middle", end) for end in ("line_start", "token_middle")),
    *(("token_middle", end) for end in ("line_start", "line_middle", "token_middle")),
}


def test_a_middle_of_code_does_not_end_inside_a_string_or_comment():
    behind = {split.suffix for split in drawn(COMMENTED, "python", "line_start", "line_middle")}
    assert any(suffix.startswith(" * side  # always") for suffix in behind)
    comment = COMMENTED.index("# always")
    assert all(not comment < len(COMMENTED) - len(suffix) < comment + len("# always positive") for suffix in behind)


def test_expressions_end_with_their_brackets_closed_and_not_behind_a_keyword():
    source = "value = not call(first[0], other(1).name).last\nif value is not None: pass\n"
    found = [split for split in drawn(source, "python", "line_start", "line_middle") if split.unit != "arguments"]
    assert found
    for split in found:
        assert not split.middle.endswith(("not", "if", "=", ".", "("))
        assert not split.suffix.startswith(".")
        assert split.middle.count("(") == split.middle.count(")")


BRACES = """class Cart {
  total() {
    if (this.open) {
      this.count();
      return this.sum;
    } else { this.close(); }
    return null;
  }
}
"""


@pytest.mark.parametrize("start", ["block_boundary", "line_start"])
@pytest.mark.parametrize("end", list(CutKind))
def test_middles_of_several_lines_cut_no_block_in_half(start, end):
    found = drawn(BRACES, "javascript", start, end)
    assert found
    for middle in (split.middle for split in found):
        depths = [0]
        for character in middle if "\n" in middle.strip() else "":
            depths.append(depths[-1] + (character == "{") - (character == "}"))
        assert min(depths) == depths[-1] == 0


def test_closing_brackets_are_no_start_of_a_line():
    found = drawn(BRACES, "javascript", "line_start", "line_start")
    assert found
    assert not any(split.middle.startswith("}") for split in found)


@pytest.mark.parametrize("name", [None, *LANGUAGES])
def test_every_language_is_cut(name):
    source = "alpha(beta, gamma);\n\n" * 3 + "delta epsilon: zeta\n"
    language = LANGUAGES[name] if name else None
    splits = [syntax_split(source, language, document_rng(0, epoch, "a"), FimConfig()) for epoch in range(20)]
    assert all(splits)
    assert len({split.middle for split in splits if split}) > 5


def library_files() -> list[tuple[str, str]]:
    """Whole files of the standard library, small ones for speed."""
    packages = ("asyncio", "collections", "concurrent", "email", "http", "importlib", "json", "logging", "unittest")
    found = (path for package in packages for path in (Path(sysconfig.get_path("stdlib")) / package).rglob("*.py"))
    return [
        (path.name, path.read_text(encoding="utf-8")) for path in sorted(found) if 1_500 < path.stat().st_size < 6_000
    ]


@pytest.mark.parametrize(
    "config",
    [
        FimConfig(),
        FimConfig(
            start=CutWeights(block_boundary=4, line_start=3, line_middle=2, token_middle=1),
            end=CutWeights(block_boundary=1, line_start=2, line_middle=3, token_middle=4),
        ),
    ],
    ids=["default", "uneven"],
)
def test_kinds_come_out_as_asked_within_two_percent(config):
    report = cut_report(library_files(), config, draws=100, seed=0)
    assert report.whole.splits >= 3_000
    assert report.whole.largest_difference <= 2
    assert report.all.largest_miss <= 2
