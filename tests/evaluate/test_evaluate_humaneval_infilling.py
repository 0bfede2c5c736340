import gzip
import json
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.errors import MidspanError
from midspan.evaluate.public.humaneval_infilling import SETS, check, pass_at_k, problems

ROW = {
    "task_id": "SingleLineInfilling/HumanEval/0/L0",
    "entry_point": "double",
    "prompt": "def double(n):\n",
    "suffix": "    return m\n",
    "canonical_solution": "    m = 2 * n\n",
    "test": "\n\ndef check(candidate):\n    assert candidate(2) == 4\n    assert candidate('a') == 'aa'\n",
}


def write(folder, *rows, name=SETS["single-line"]):
    with gzip.open(folder / name, "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return folder / name


def test_the_canonical_solution_passes_and_others_do_not(tmp_path):
    write(tmp_path, ROW)
    (problem,) = problems("single-line", tmp_path)
    assert check(problem, problem.truth).verdict == "passed"
    assert check(problem, "").message == "NameError: name 'm' is not defined"
    assert check(problem, "    m = n * n\n").verdict == "failed"
    assert check(problem, "    exit(0)\n").verdict == "failed"
    assert check(problem, "    while True: pass\n").verdict == "timeout"


def test_a_file_that_was_named_once_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv("MIDSPAN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(MidspanError, match=r"get it from https://github.com/openai/human-eval-infilling"):
        list(problems("single-line"))
    (tmp_path / "data").mkdir()
    file = write(tmp_path / "data", ROW)
    named = list(problems("single-line", file))
    file.unlink()
    assert list(problems("single-line")) == named


@pytest.mark.parametrize("lines", [None, b'{"a": 1', b"[1]", b'{"a":1}'])
def test_a_file_that_is_something_else_is_named(tmp_path, lines):
    content = b"not gzip" if lines is None else gzip.compress(lines)
    (tmp_path / SETS["multi-line"]).write_bytes(content)
    with pytest.raises(MidspanError, match=r"HumanEval-MultiLineInfilling.jsonl.gz"):
        list(problems("multi-line", tmp_path))


@given(st.integers(1, 8), st.data())
def test_pass_at_k_is_the_mean_over_all_draws(completions, data):
    passed = data.draw(st.integers(0, completions))
    k = data.draw(st.integers(1, completions))
    draws = list(combinations([True] * passed + [False] * (completions - passed), k))
    assert pass_at_k(completions, passed, k) == pytest.approx(sum(map(any, draws)) / len(draws))
