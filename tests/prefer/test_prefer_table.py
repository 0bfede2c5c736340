import json

import pyarrow.parquet as pq
import pytest
from case_samples import candidate, case, module
from hypothesis import given
from hypothesis import strategies as st

from midspan.model.tokenizer import train_tokenizer
from midspan.prefer.pairs import Pair
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
    lineage = json.loads(row["lineage"])
    assert (lineage["project"], lineage["licence"], lineage["chosen"]) == ("shapes", "MIT", "sampled at 0.2")


def test_samples_survive_json():
    sampled = Sampled([1, 2], "he", (Sample("a\u2028b\ud7ff", 0.8, True), Sample("", 0.0, False)))
    assert Sampled.from_record(json.loads(json.dumps(sampled.to_record()))) == sampled
