import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from case_samples import case, corpus

from midspan.errors import MidspanError
from midspan.evaluate.verbatim import TrainingData, training_data_of


@pytest.fixture
def run(tmp_path):
    rows = [vars(one) for split in ("train", "test") for _, files in corpus(split=split) for one in files]
    (tmp_path / "data").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data" / "corpus.parquet")
    return tmp_path, {(row["project"], row["path"]): row["text"] for row in rows}


def test_training_data_recited_and_what_is_none(run):
    folder, texts = run
    data = TrainingData(folder / "data")
    training = texts["train1", "pkg/m0.py"][:600]
    testing = "".join(f"def unheard_of_{n}(words):\n    yield words.pop({n}).upper().partition()\n" for n in range(3))
    assert data.recited(case(), training) == 1
    assert data.recited(case(), training.replace("    ", "\t").upper()) == 1
    assert data.recited(case(), testing) == 0
    assert data.recited(case(), training[:60]) == 0
    assert data.recited(case(middle=training), training) == 0


def test_a_model_in_a_run_knows_its_corpus(run, tmp_path_factory):
    folder, _ = run
    assert training_data_of(folder / "sft" / "hf") is not None
    assert training_data_of(folder / "export" / "model.gguf") is not None
    assert training_data_of(tmp_path_factory.mktemp("elsewhere") / "model.gguf") is None
    with pytest.raises(MidspanError, match="no corpus"):
        TrainingData(folder / "export")
