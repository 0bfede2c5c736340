import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_data_stage import code

from midspan.cli.main import run
from midspan.data.grams import GRAM, GUARANTEE, WINDOW, fingerprints, gram_hashes, normalised, winnow
from midspan.data.who import INDEX_FILE, longest_run, who
from midspan.errors import MidspanError

LETTERS = st.text("abAB01 (\n\t", min_size=0, max_size=400)


@given(st.lists(st.integers(0, 3), max_size=300).map(lambda each: np.array(each, np.uint64)))
def test_winnowing_keeps_the_least_of_every_window(hashes):
    kept = set(winnow(hashes).tolist())
    windows = [hashes[start : start + WINDOW] for start in range(max(1, len(hashes) - WINDOW + 1))]
    assert kept == {int(window.min()) for window in windows if len(window)}


@given(LETTERS)
def test_a_gram_has_the_same_hash_wherever_it_stands(text):
    normal = normalised(text)
    assert bytes(normal).decode() == "".join(text.lower().split())
    hashes = gram_hashes(normal)
    assert len(hashes) == max(0, len(normal) - GRAM + 1)
    for start in range(0, len(hashes), 37):
        assert gram_hashes(normal[start : start + GRAM])[0] == hashes[start]


@given(st.integers(0, 10**6), st.text(max_size=50), st.text(max_size=50), st.sampled_from([" ", "\n    ", ""]))
def test_a_shared_run_of_the_guaranteed_length_is_never_missed(seed, before, after, between):
    shared = normalised(code(seed))[:GUARANTEE]
    text = bytes(shared).decode()
    other = before + between.join(text[start : start + 7] for start in range(0, len(text), 7)).upper() + after
    assert set(gram_hashes(shared).tolist()) & set(fingerprints(other).tolist())


@given(LETTERS, LETTERS)
def test_the_longest_run_is_that_of_a_naive_search(piece, document):
    first, second = normalised(piece), normalised(document)
    start, length = longest_run(first, second)
    run_ = bytes(second[start : start + length])
    assert run_ in bytes(first)
    lengths = (n for n in range(len(second), GRAM - 1, -1) for at in range(len(second) - n + 1)
               if bytes(second[at : at + n]) in bytes(first))  # fmt: skip
    assert length == next(lengths, 0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    (runs / "mine" / "data").mkdir(parents=True)
    rows = [
        {"project": f"p{n % 7}", "path": f"src/m{n}.py", "split": "train", "language": "python", "licence": "MIT",
         "source": f"folder:p{n % 7}", "revision": f"r{n}", "url": "", "text": code(n, 20)}
        for n in range(200)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), runs / "mine" / "data" / "corpus.parquet", row_group_size=64)
    return runs


def test_a_piece_is_found_with_its_place(corpus):
    lines = code(123, 20).split("\n")
    piece = "\n".join("\t" + line.strip() for line in lines[4:12])
    (origin,) = who(corpus / "mine" / "data", f"# mine\n{piece}\n# more")
    assert (origin.project, origin.path, origin.licence, origin.revision) == ("p4", "src/m123.py", "MIT", "r123")
    assert (origin.first_line, origin.last_line) == (5, 11)  # the twelfth is blank
    assert origin.characters == len(normalised(piece)) and 0.9 < origin.share < 1
    assert who(corpus / "mine" / "data", code("nowhere")) == []
    with pytest.raises(MidspanError, match="fewer than 95"):
        who(corpus / "mine" / "data", "import os")


def test_the_index_is_the_same_each_time_and_holds_no_text(corpus):
    index = corpus / "mine" / "data" / INDEX_FILE
    who(corpus / "mine" / "data", code(1))
    first = index.read_bytes()
    index.unlink()
    who(corpus / "mine" / "data", code(1))
    assert index.read_bytes() == first
    assert len(first) < 0.3 * sum(len(code(n, 20)) for n in range(200)) + 200
    assert b"def " not in first


def test_the_command_says_where_and_its_exit_code_whether(corpus, tmp_path, capsys):
    (tmp_path / "piece.py").write_text(code(7, 6))
    assert run(["data", "who", str(tmp_path / "piece.py"), "--run", "mine", "--runs", str(corpus)]) == 0
    text = capsys.readouterr().out
    assert "p0: src/m7.py:1-" in text and "MIT" in text and "100%" in text
    assert run(["data", "who", code(9, 6), "--run", "mine", "--runs", str(corpus), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["path"] == "src/m9.py"
    assert run(["data", "who", code("nowhere"), "--run", "mine", "--runs", str(corpus)]) == 1
    assert run(["data", "who", "short", "--run", "mine", "--runs", str(corpus)]) == 2
    assert run(["data", "who", "short", "--run", "nobody", "--runs", str(corpus)]) == 2
