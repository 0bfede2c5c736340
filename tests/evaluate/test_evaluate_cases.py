import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from case_samples import corpus

from midspan.errors import MidspanError
from midspan.evaluate.cases import held_out_cases, read_cases, write_cases
from midspan.recipe.schema import FimConfig


def write_corpus(folder, *splits):
    rows = [vars(one) for split in splits for _, files in corpus(split=split) for one in files]
    pq.write_table(pa.Table.from_pylist(rows), folder / "corpus.parquet")


def test_cases_are_never_from_the_training_split(tmp_path):
    write_corpus(tmp_path, "test", "train", "valid")
    cases = held_out_cases(tmp_path, 30, FimConfig(), 0)
    assert len(cases) == 30
    assert {case.project for case in cases} == {f"test{number}" for number in range(4)}


def test_the_table_gives_the_cases_back_and_is_deterministic(tmp_path):
    write_corpus(tmp_path, "test")
    cases = held_out_cases(tmp_path, 10, FimConfig(), 0)
    write_cases(cases, tmp_path / "a.parquet")
    write_cases(held_out_cases(tmp_path, 10, FimConfig(), 0), tmp_path / "b.parquet")
    assert read_cases(tmp_path / "a.parquet") == cases
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_an_empty_test_split_is_a_clear_error(tmp_path):
    write_corpus(tmp_path, "train")
    with pytest.raises(MidspanError, match="test split"):
        held_out_cases(tmp_path, 10, FimConfig(), 0)
