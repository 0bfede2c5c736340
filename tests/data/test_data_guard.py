import gzip
import json
import os
import random
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_data_licence import MIT
from test_data_stage import build, code, write

from midspan.data.grams import normalised
from midspan.data.guard import Guard, Piece, leaks, read_benchmarks
from midspan.errors import MidspanError

SOLUTION = code("solution", 3)
DOCSTRING = "    Given a list of falcons, return those that fly higher than all falcons before them.\n"
ROW = {"task_id": "Test/1", "prompt": f'def f():\n    """\n{DOCSTRING}    """\n', "canonical_solution": SOLUTION}


def piece(text, whole=False):
    return Piece("made up", bytes(normalised(text)), whole)


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmarks")
    (folder / "made-up").mkdir()
    with gzip.open(folder / "made-up" / "made-up.jsonl.gz", "wt") as file:
        file.write(json.dumps(ROW) + "\n")
    return folder


@pytest.fixture(scope="module")
def guard(benchmark):
    return Guard(read_benchmarks(["made-up"], benchmark))


@given(st.integers(0, 10**6), st.integers(0, 3), st.booleans())
def test_a_text_inside_a_larger_file_is_found(guard, seed, where, shout):
    other = [code(f"{seed}{n}", 3) for n in range(4)]
    stolen = DOCSTRING.upper().replace(" ", "  ") if shout else SOLUTION.replace("\n", "\r\n\t")
    assert guard.finds("\n".join([*other[:where], stolen, *other[where:]])) == "made-up"
    assert guard.finds("\n".join(other)) == ""


def test_short_texts_and_short_runs_say_nothing():
    guard = Guard([piece("return x + 1"), piece(SOLUTION)])
    assert guard.finds("def f(x):\n    return x + 1\n" * 20) == ""
    assert guard.finds(SOLUTION[:60]) == ""
    assert guard.finds("") == "" and Guard([]).finds(SOLUTION) == ""


def jaccard(first, second):
    left, right = ({tuple(words[n : n + 5]) for n in range(len(words) - 4)}
                   for words in (re.split(r"\W+", text.lower()) for text in (first, second)))  # fmt: skip
    return len(left & right) / len(left | right)


@given(st.integers(0, 10**6))
def test_near_duplicates_are_found_as_by_jaccard(seed):
    rng = random.Random(seed)
    program = code(seed, 12)
    words = program.split(" ")
    for position in rng.sample(range(len(words)), max(1, len(words) // 60)):
        words[position] = f"other{position}"
    edited = " ".join(words)
    if jaccard(program, edited) >= 0.7:
        assert Guard([piece(program, whole=True)]).finds(edited)


def test_what_is_held_out_is_kept_out_of_training(guard):
    held_out = {"test/a.py": code("a", 12), "test/tiny.py": "import os\n", "valid/b.py": MIT + code("b", 12)}
    texts = [
        code("x", 9) + code("a", 12) + code("y", 9),
        *(MIT + code(n, 12) for n in range(20)),
        code("b", 5),
        "import os\n",
    ]
    assert leaks(enumerate(texts), held_out.items()) == {0: "test/a.py"}
    assert leaks([], held_out.items()) == {} and leaks(enumerate(texts), []) == {}


def test_the_stage_keeps_benchmarks_and_held_out_files_out(benchmark, tmp_path, monkeypatch):
    monkeypatch.setenv("MIDSPAN_BENCHMARKS", str(benchmark))
    projects = [f"p{n}" for n in range(6)]
    files = {f"{p}/{name}": text for p in projects for name, text in (("LICENSE", MIT), ("m.py", code(p, 30)))}
    files["p1/stolen.py"] = code("around", 3) + SOLUTION
    files["p2/bundle.py"] = "\n".join(code(p, 30) + code(f"more {p}", 20) for p in projects)
    write(tmp_path / "sources", files)
    work = tmp_path / "run" / "data"
    work.parent.mkdir()
    build(tmp_path / "sources", work, guard={"benchmarks": ["made-up"]})
    rows = pq.read_table(work / "corpus.parquet").to_pylist()
    report = json.loads((work / "report.json").read_text())
    assert not any(row["path"] == "stolen.py" for row in rows)
    assert report["dropped"]["benchmark"]["files"] == 1
    bundle = [row for row in rows if row["path"] == "bundle.py"]
    assert not bundle or bundle[0]["split"] != "train"
    train = [(n, row["text"]) for n, row in enumerate(rows) if row["split"] == "train"]
    assert leaks(train, [(row["path"], row["text"]) for row in rows if row["split"] != "train"]) == {}


@pytest.mark.parametrize(("content", "message"), [("not json", "cannot read the bench"), ("[1]", "not a JSON object")])
def test_broken_benchmarks_are_explained(tmp_path, content, message):
    (tmp_path / "broken.jsonl").write_text(content)
    with pytest.raises(MidspanError, match=message):
        list(read_benchmarks([str(tmp_path / "*.jsonl")], tmp_path))
    with pytest.raises(MidspanError, match="there is no nothing"):
        list(read_benchmarks(["nothing"], tmp_path))


@pytest.mark.skipif("MIDSPAN_BENCHMARKS" not in os.environ, reason="the folder of public benchmarks is not named")
def test_every_program_of_a_public_benchmark_is_found():
    folder = Path(os.environ["MIDSPAN_BENCHMARKS"])
    pieces = list(read_benchmarks(["humaneval-infilling"], folder))
    guard = Guard(pieces)
    for path in sorted((folder / "humaneval-infilling").glob("*.jsonl.gz")):
        for line in gzip.decompress(path.read_bytes()).splitlines()[::25]:
            row = json.loads(line)
            program = row["prompt"] + row["canonical_solution"] + row["suffix"]
            assert guard.finds(f"import os\n\n{program}\n\nprint(1)\n")
