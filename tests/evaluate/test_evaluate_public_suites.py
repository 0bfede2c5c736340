"""The public benchmarks on fixtures of our own, in the form of their published files."""

import asyncio
import gzip
import json
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from midspan.cli.main import run as command
from midspan.errors import MidspanError
from midspan.evaluate.public import crosscodeeval, repobench, safim, santacoder_fim
from midspan.evaluate.public.crosscodeeval import CROSSCODEEVAL
from midspan.evaluate.public.repobench import REPOBENCH
from midspan.evaluate.public.run import Settings, parts_of, run_suite
from midspan.evaluate.public.safim import SAFIM
from midspan.evaluate.public.santacoder_fim import SANTACODER_FIM
from midspan.recipe.progress import Progress
from midspan.syntax.languages import LANGUAGES

SUITES = (SAFIM, REPOBENCH, CROSSCODEEVAL, SANTACODER_FIM)
SUM = "t = int(input())\nfor _ in range(t):\n    {}\n    print(c)\n"
BLOCK = {
    "task_id": "block_1",
    "lang": "python",
    "prompt": "Sum two numbers.\n\nCode:\n\n" + SUM.format("# TODO: Your code here"),
    "eval_prompt": SUM.format("{{completion}}"),
    "ground_truth": "a, b = map(int, input().split())\n    c = a + b",
    "unit_tests": json.dumps([{"input": "2\n1 2\n3 4\n", "output": ["3\n7\n"]}, {"input": "1\n5 5", "output": ["10"]}]),
}
JAVA = {
    "task_id": "control_1",
    "lang": "java",
    "prompt": "class A { void f(int n) { for (/* TODO: Your code here */) { g(); } } }",
    "eval_prompt": "class A { void f(int n) { for ({{completion}}) { g(); } } }",
    "ground_truth": "int i = 0; i < n; i++",
    "unit_tests": json.dumps([{"input": "", "output": [""]}]),
}
API = {
    "task_id": "api_1",
    "lang": "python",
    "prompt": "import numpy as np\na = # TODO: Your code here\n",
    "eval_prompt": "import numpy as np\na = {{completion}}\n",
    "ground_truth": "np.ones((2, 3), dtype=int, order='C')",
    "unit_tests": "[]",
}
NEXT_LINE = {
    "repo_name": "owner/shapes",
    "file_path": "shapes/draw.py",
    "context": [
        {"identifier": "area", "path": "shapes/area.py", "snippet": "def area(r):\n    return 3 * r * r"},
        {"identifier": "side", "path": "shapes/area.py", "snippet": "def side(r):\n    return r"},
        {"identifier": "own", "path": "shapes/draw.py", "snippet": "own = 1"},
    ],
    "import_statement": "from shapes.area import area",
    "token_num": 40,
    "cropped_code": "def draw(r):\n    r = abs(r)",
    "all_code": "",
    "next_line": "    size = area(r)",
    "gold_snippet_index": 0,
    "created_at": "2023-11-01 00:00:00",
    "level": "2k",
}
STATEMENT = {
    "prompt": "from shapes.area import area\n\n\ndef draw(r):\n    size = ",
    "groundtruth": "area(r, unit='cm')",
    "right_context": "\n    return size\n",
    "metadata": {
        "task_id": "project_cc_python/1",
        "repository": "owner-shapes",
        "file": "shapes/draw.py",
        "context_start_lineno": 0,
        "groundtruth_start_lineno": 4,
        "right_context_start_lineno": 5,
    },
    "crossfile_context": {
        "text": "# the below code fragment can be found in:\n# shapes/area.py\n# def area(r, unit):",
        "list": [{"retrieved_chunk": "def area(r, unit):", "filename": "shapes/area.py", "score": 1.0}],
    },
}
FIM_LINE = {
    "name": "HumanEval_0_has_close_elements",
    "language": "py",
    "prompt": "def one():\n",
    "suffix": "\n\n",
    "canonical_solution": "    return 1",
    "tests": "def check(candidate): ...",
}


def write_lines(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def write_parquet(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def only(suite, subset, place):
    (gap,) = suite.gaps(subset, place)
    return gap


@pytest.fixture
def block(tmp_path):
    write_lines(tmp_path / SAFIM.files["block"], BLOCK)
    return only(SAFIM, "block", tmp_path)


def test_a_block_is_shown_with_its_task_and_run_without(block):
    assert block.prefix.startswith("Sum two numbers.") and block.suffix == "\n    print(c)\n"
    assert block.before + block.truth + block.behind == SUM.format(BLOCK["ground_truth"])


@pytest.mark.parametrize(
    ("completion", "counts", "passed"),
    [
        (BLOCK["ground_truth"], BLOCK["ground_truth"], 1.0),
        ("a, b = map(int, input().split())\n    c = b + a\n", "a, b = map(int, input().split())\n    c = b + a\n", 1.0),
        ("c = sum(map(int, input().split()))\nprint(c)\nx = (", "c = sum(map(int, input().split()))\n", 1.0),
        ("c = 3\n", "c = 3\n", 0.0),
        ("c = 3; exit(0)\n", "c = 3; exit(0)\n", 0.0),
        ("c = (", "", 0.0),
        ("", "", 0.0),
    ],
)
def test_a_block_ends_where_the_program_around_it_is_whole(block, completion, counts, passed):
    assert safim.cut(block, completion) == counts
    assert safim.judge(block, completion)["passed"] == passed


def test_braces_end_a_block_of_java():
    row = {
        **JAVA,
        "prompt": "class A { int f(int n) { /* TODO: Your code here */ } }",
        "eval_prompt": "class A { int f(int n) { {{completion}} } }",
    }
    program = safim.gap("block", row)
    assert safim.cut(program, "int m = n;\nreturn m;\n}\nint g() { return 1; }\n") == "int m = n;\nreturn m;\n"


def test_a_control_expression_ends_with_its_bracket_or_line():
    program = safim.gap("control", JAVA)
    assert safim.cut(program, "int i = 0; i < f(n); i++) { x(); }") == "int i = 0; i < f(n); i++"
    assert safim.judge(program, "int i = 0; i < n; i++) {") == {"passed": None, "exact": 1.0}
    assert safim.judge(program, "int j = 0; j < n; j++") == {"passed": None, "exact": 0.0}
    python = safim.gap("control", BLOCK)
    assert safim.cut(python, "\n  \n_ in range(t):\n    x") == "_ in range(t):"


@pytest.mark.parametrize(
    ("completion", "passed"),
    [
        ("np.ones((2, 3), dtype=int, order='C')\nb = 2", 1.0),
        ("np.ones( (2,3), order='C', dtype=int )", 1.0),
        ("np.ones((3, 2), dtype=int, order='C')", 0.0),
        ("np.ones((2, 3)", 0.0),
    ],
)
def test_an_api_call_matches_but_for_the_order_of_keywords(completion, passed):
    assert safim.judge(safim.gap("api", API), completion)["passed"] == passed


def test_calls_of_other_languages_match_as_text():
    assert safim.is_same_call("JObject.Parse( data )", "JObject.Parse(data)", "csharp")
    assert not safim.is_same_call("JObject.Parse(x)", "JObject.Parse(data)", "csharp")


@pytest.mark.parametrize("write", [write_lines, write_parquet])
def test_the_next_line_is_asked_for_with_snippets_as_its_project(tmp_path, write):
    write(tmp_path / REPOBENCH.files["python-cross-file-first"], NEXT_LINE)
    gap = only(REPOBENCH, "python-cross-file-first", tmp_path)
    assert gap.prefix == "from shapes.area import area\n\ndef draw(r):\n    r = abs(r)\n" and gap.suffix == ""
    assert (gap.group, gap.part, gap.language) == ("owner/shapes", "2k", "python")
    assert {path: file.text for path, file in gap.project().files.items()} == {
        "shapes/area.py": "def area(r):\n    return 3 * r * r\ndef side(r):\n    return r"
    }
    assert REPOBENCH.judge(gap, "    # the size\n    size  =  area(r)\n    x") == {"em": 1.0, "es": 0.95}
    assert REPOBENCH.judge(gap, "    size = area(r)") == {"em": 1.0, "es": 1.0}
    assert REPOBENCH.judge(gap, "")["em"] == 0.0


@pytest.mark.parametrize(
    ("code", "language", "line"),
    [
        ("\n\n  a = 1\nb", "python", "  a = 1"),
        ("# one\n'''\ntwo\n'''\nthree\n", "python", "three"),
        ("# only\n# comments", "python", "# only"),
        ("/* one\n two */\n// three\n  four();\n", "java", "  four();"),
        ("", "java", ""),
    ],
)
def test_the_first_line_is_no_comment(code, language, line):
    assert repobench.first_line(code, language) == line


def test_a_statement_across_files(tmp_path):
    write_lines(tmp_path / CROSSCODEEVAL.files["python"], STATEMENT)
    gap = only(CROSSCODEEVAL, "python", tmp_path)
    assert (gap.prefix, gap.suffix, gap.group) == (STATEMENT["prompt"], STATEMENT["right_context"], "owner-shapes")
    assert set(gap.project().files) == {"shapes/area.py"}
    right = {"em": 1.0, "es": 1.0, "id_em": 1.0, "id_f1": 1.0}
    assert CROSSCODEEVAL.judge(gap, "area(r, unit='cm')\n    return size\n") == right
    assert CROSSCODEEVAL.judge(gap, "area(r, unit='cm')  # in cm\n    return 1\n")["em"] == 1.0
    scores = CROSSCODEEVAL.judge(gap, "area(r, 'unit of a name', width)\n")
    assert scores["em"] == 0.0 and scores["id_em"] == 0.0
    assert scores["id_f1"] == pytest.approx(2 * 2 / 6)


@pytest.mark.parametrize(
    ("completion", "language", "counts"),
    [
        ("f(\n    1,\n)\ng()\n", "python", "f(\n    1,\n)"),
        ("f(\n    1,", "python", "f(\n    1,"),
        ("f(1)", "python", "f(1)"),
        ("f(1); g();", "java", "f(1);"),
        ("new A() { x", "csharp", "new A() {"),
        ("}", "typescript", "}"),
        ("f(1)", "typescript", "f(1)"),
    ],
)
def test_one_statement_counts(completion, language, counts):
    assert crosscodeeval.statement("x = ", completion, LANGUAGES[language]) == counts


def test_identifiers_are_no_keywords_and_not_in_strings():
    assert crosscodeeval.identifiers("return size if x else 'not me' + name2", LANGUAGES["python"]) == [
        *("size", "x", "name2"),
    ]
    assert crosscodeeval.identifiers('final int n = g("s", n);', LANGUAGES["java"]) == ["n", "g", "n"]


def test_the_languages_of_multipl_e_share_a_file(tmp_path):
    write_parquet(tmp_path / santacoder_fim.FILE, FIM_LINE, FIM_LINE | {"language": "java"})
    gap = only(SANTACODER_FIM, "py", tmp_path)
    assert (gap.language, gap.prefix, gap.suffix) == ("python", "def one():\n", "\n\n")
    assert SANTACODER_FIM.judge(gap, "return 1\n") == {"em": 1.0}
    assert SANTACODER_FIM.judge(gap, "return 1 + 0") == {"em": 0.0}


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_a_missing_file_says_where_to_get_it_and_where_to_put_it(suite, tmp_path, monkeypatch):
    monkeypatch.setenv("MIDSPAN_CACHE", str(tmp_path))
    for subset, name in suite.files.items():
        with pytest.raises(MidspanError) as error:
            next(suite.gaps(subset))
        assert suite.origin in error.value.hint and "--data" in error.value.hint
        assert str((tmp_path / "benchmarks" / suite.name / name).parent) in error.value.message
    with pytest.raises(MidspanError, match="has no set none"):
        next(suite.gaps("none"))


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
@pytest.mark.parametrize("content", [b'{"a": 1}\n', b"\x00\xff", b"PAR1 and no more"])
def test_a_file_of_something_else_is_named(suite, tmp_path, content):
    subset, name = next(iter(suite.files.items()))
    path = tmp_path / name.rpartition("/")[2]
    path.write_bytes(content)
    with pytest.raises(MidspanError, match=path.name):
        list(suite.gaps(subset, path))


def test_a_file_that_was_named_once_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv("MIDSPAN_CACHE", str(tmp_path / "cache"))
    path = write_lines(tmp_path / "mine.jsonl", STATEMENT)
    named = only(CROSSCODEEVAL, "python", path)
    path.unlink()
    assert only(CROSSCODEEVAL, "python", None) == named


class Writer:
    """Stands for a completer: right in one of two."""

    def __init__(self):
        self.asked = []

    async def complete(self, request):
        self.asked.append(request)
        return SimpleNamespace(text="    return 1" if request.path.endswith("py") else "nothing")


def test_a_suite_is_run_once_and_counted_by_part(tmp_path):
    gaps = [
        santacoder_fim.gap(language, FIM_LINE | {"language": language, "name": f"{language}{number}"})
        for language in ("py", "js")
        for number in range(3)
    ]
    writer = Writer()
    for _ in range(2):
        with Progress(quiet=True).task("", 1) as task:
            work = run_suite(writer, SANTACODER_FIM, gaps, Settings(), tmp_path / "journal", 1, task)
            records = asyncio.run(work)
    assert len(writer.asked) == 6
    parts = {part.name: part for part in parts_of(gaps, records)}
    assert {name: part.scores["em"].value for name, part in parts.items()} == {"js": 0.0, "py": 1.0, "all": 0.5}
    assert parts["all"].problems == {"em": 6}


def test_what_cannot_be_judged_is_left_out_of_the_mean():
    gaps = [safim.gap("control", JAVA), safim.gap("control", JAVA)]
    records = [{"scores": [{"passed": 1.0, "exact": 1.0}]}, {"scores": [{"passed": None, "exact": 0.0}]}]
    (part,) = parts_of(gaps, records)
    assert part.problems == {"passed": 1, "exact": 2}
    assert part.scores["passed"].value == 1.0 and part.scores["exact"].value == 0.5


def test_commands_say_what_is_missing(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("MIDSPAN_CACHE", str(tmp_path))
    for suite in SUITES:
        assert command(["eval", suite.name, "--model", "none"]) == 2
        assert suite.origin in capsys.readouterr().err
