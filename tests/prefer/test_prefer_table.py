import json

import pyarrow.parquet as pq
import pytest
from case_samples import candidate, case, module
from hypothesis import given
from hypothesis import strategies as st

from midspan.model.tokenizer import train_tokenizer
from midspan.prefer.pairs import Candidate, Pair
from midspan.prefer.sampling import Sample, Sampled
from midspan.prefer.table import SCHEMA, answer_ids, pair_row, write_pairs
from midspan.prompt.formats import detect_format
from midspan.prompt.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_json(train_tokenizer([module("a", number) for number in range(3)], 340).to_str())


@given(healed=st.text(max_size=8), text=st.text(), complete=st.booleans())
def test_ids_are_the_healed_text_and_the_answer_and_end_where_it_is_complete(tokenizer, healed, text, complete):
    form = detect_format(tokenizer)
    ids = answer_ids(tokenizer, form, healed, candidate(text, complete=complete))
    end = tokenizer.special(form.end)
    assert ids.count(end) == complete
    if complete:
        assert ids.pop() == end
    assert tokenizer.decode(ids) == healed + text


def test_a_row_fits_the_schema_and_comes_back(tokenizer, tmp_path):
    chosen, rejected = candidate("    return 1\n", 0.9), candidate("    return 1\n    x =", 0.7, complete=False)
    pair = Pair("c1", chosen, rejected)
    sampled = Sampled([5, 6, 7], "  ret", ())
    row = pair_row(pair, case(), sampled, "reference", tokenizer, detect_format(tokenizer))
    write_pairs([row], tmp_path / "pairs.parquet")
    table = pq.read_table(tmp_path / "pairs.parquet")
    assert table.schema.equals(SCHEMA)
    assert table.to_pylist() == [row]
    lineage = {"project": "shapes", "path": "shapes/round.py", "licence": "MIT", "source": "folder"}
    assert json.loads(row["lineage"]) == lineage
    assert (row["project"], row["licence"], row["language"], row["kind"]) == ("shapes", "MIT", "python", "line_start")


def test_a_row_says_of_each_side_where_it_is_from_and_what_the_judge_said(tokenizer):
    chosen = Candidate("    return 1\n", "truth", True, 0.0, 1.0, "", "as it was")
    rejected = Candidate("    pass\n", "sampled", True, 0.8, 0.3, "stub", "far off")
    row = pair_row(
        Pair("c1", chosen, rejected), case(), Sampled([5], "", ()), "llm", tokenizer, detect_format(tokenizer)
    )
    assert (row["chosen_source"], row["chosen_temperature"], row["chosen_reason"]) == ("truth", None, "as it was")
    assert (row["rejected_source"], row["rejected_temperature"], row["rejected_reason"]) == ("sampled", 0.8, "far off")
    assert (row["chosen_failed"], row["rejected_failed"]) == ("", "stub")
    assert (row["chosen_score"], row["rejected_score"], row["margin"], row["judge"]) == (1.0, 0.3, 1.0, "llm")


def test_samples_survive_json():
    sampled = Sampled([1, 2], "he", (Sample("a\u2028b\ud7ff", 0.8, True), Sample("", 0.0, False)), 5, 120)
    assert Sampled.from_record(json.loads(json.dumps(sampled.to_record()))) == sampled
