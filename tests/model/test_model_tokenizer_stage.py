import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from model_samples import source_files

from midspan.errors import MidspanError
from midspan.model import tokenizer_stage
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.progress import Progress
from midspan.recipe.schema import Recipe
from midspan.recipe.stage import StageContext

TRAIN = {"tokens": 1, "batch_tokens": 1, "sequence_length": 64}


def run(folder, valid_text="def f(x):\n    return x\n", vocab_size=400):
    """The stage over a corpus of standard-library files and one held-out text."""
    rows = []
    for path in source_files()[:6]:
        text = path.read_text(encoding="utf-8")[:5_000]
        rows.append(("alpha", path.name, "python", text, hashlib.sha256(text.encode()).hexdigest(), "train"))
    rows.append(("beta", "a.kt", "kotlin", valid_text, "0" * 64, "valid"))
    names = ("project", "path", "language", "text", "sha256", "split")
    table = [dict(zip(names, row, strict=True)) | {"licence": "MIT", "source": "here"} for row in rows]
    (folder / "data").mkdir(parents=True)
    (folder / "work").mkdir()
    pq.write_table(pa.Table.from_pylist(table), folder / "data/corpus.parquet")
    recipe = Recipe.model_validate(
        {"name": "t", "tokenizer": {"vocab_size": vocab_size}, "pretrain": TRAIN, "sft": TRAIN, "dpo": TRAIN}
    )
    return tokenizer_stage.run(StageContext(recipe, {"data": folder / "data"}, folder / "work", Progress(quiet=True)))


def test_the_stage_writes_a_tokenizer_and_measures_held_out_text(tmp_path):
    text = "def f(x):\n    return x\n"
    metrics = run(tmp_path)
    tokenizer = Tokenizer.load(tmp_path / "work")
    assert tokenizer.vocab_size == metrics["vocab_size"] == 400
    assert metrics["sha256"] == tokenizer.fingerprint
    expected = len(text) / len(tokenizer.encode(text))
    assert metrics["characters_per_token"] == metrics["characters_per_token_kotlin"] == pytest.approx(expected)


def test_the_same_corpus_gives_the_same_bytes(tmp_path):
    run(tmp_path / "one")
    run(tmp_path / "two")
    one, two = ((tmp_path / name / "work/tokenizer.json").read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_corpus_too_small_for_the_vocabulary_is_named(tmp_path):
    with pytest.raises(MidspanError, match="yields only"):
        run(tmp_path, vocab_size=49_152)
