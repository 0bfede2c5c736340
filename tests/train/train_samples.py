"""A little corpus, its tokenizer and a recipe for a model of a few thousand parameters."""

import hashlib
import sysconfig
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from midspan.data.corpus import Document
from midspan.model.tokenizer import train_tokenizer
from midspan.prompt.formats import detect_format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.progress import Progress
from midspan.recipe.schema import Recipe
from midspan.recipe.stage import StageContext

PACKAGES = {"json": "train", "email": "train", "logging": "train", "html": "valid", "wsgiref": "test"}


@cache
def corpus() -> tuple[Document, ...]:
    """Files of standard-library packages, each package a project."""
    found = []
    for project, split in PACKAGES.items():
        for path in sorted((Path(sysconfig.get_path("stdlib")) / project).glob("*.py")):
            text = path.read_text(encoding="utf-8")[:6_000]
            if len(text) < 200:
                continue
            sha256 = hashlib.sha256(text.encode()).hexdigest()
            found.append(Document(project, path.name, "python", text, "PSF-2.0", "standard library", sha256, split))
    return tuple(sorted(found, key=lambda document: (document.split, document.project, document.path)))


def of_split(split: str) -> list[Document]:
    return [document for document in corpus() if document.split == split]


@cache
def tokenizer_json() -> str:
    return train_tokenizer((document.text for document in of_split("train")), 512).to_str()


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer.from_json(tokenizer_json())


def form():
    return detect_format(tokenizer())


def inputs(folder: Path) -> dict[str, Path]:
    """Finished `data` and `tokenizer` stages."""
    stages = {name: folder / name for name in ("data", "tokenizer")}
    for path in stages.values():
        path.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([vars(document) for document in corpus()]), stages["data"] / "corpus.parquet")
    (stages["tokenizer"] / "tokenizer.json").write_text(tokenizer_json(), encoding="utf-8")
    return stages


def write_pairs(folder: Path, count: int = 12) -> Path:
    """`pairs.parquet` from real prompts: the truth wins over the truth twice over, without end.

    Two pairs a case, whatever their prompts; one more pair is too long for any row.
    """
    folder.mkdir()
    end, rows = tokenizer().special("<|endoftext|>"), []
    for number, document in enumerate(of_split("train")[:count]):
        lines = document.text.splitlines(keepends=True)
        truth = tokenizer().encode(lines[2])[:20]
        prompt = tokenizer().encode("".join(lines[:2]))[:50]
        rows.append(
            {
                "case_id": f"case{number // 2}",
                "prompt_ids": prompt or [end],
                "chosen_ids": [*truth, end],
                "rejected_ids": [*truth, *truth, 99],
                "chosen_source": ("sampled", "shortened", "truth")[number % 3],
            }
        )
    rows.append(
        {
            "case_id": "long",
            "prompt_ids": [1] * 500,
            "chosen_ids": [end],
            "rejected_ids": [2, end],
            "chosen_source": "sampled",
        }
    )
    pq.write_table(pa.Table.from_pylist(rows), folder / "pairs.parquet")
    return folder


def recipe(**changes) -> Recipe:
    """A tiny recipe; `changes` are sections whose entries replace these."""
    train = {
        "tokens": 4_096,
        "batch_tokens": 512,
        "sequence_length": 128,
        "micro_batch": 2,
        "precision": "fp32",
        "checkpoint_steps": 2,
        "valid_steps": 4,
        "valid_bytes": 4_000,
        "optimizer": {"name": "adamw", "learning_rate": 3e-3},
    }
    raw = {
        "name": "test",
        "tokenizer": {"vocab_size": 512},
        "model": {
            "hidden_size": 32,
            "layers": 2,
            "heads": 2,
            "kv_heads": 1,
            "mlp_size": 64,
            "context_length": 512,
            "tie_embeddings": True,
        },
        "prompt": {"max_tokens": 192},
        "pretrain": dict(train),
        "sft": train | {"sequence_length": 384, "tokens": 3_000},
        "dpo": train | {"sequence_length": 384, "tokens": 3_000, "schedule": "constant"},
    }
    for section, entries in changes.items():
        raw[section] = raw.get(section, {}) | entries
    return Recipe.model_validate(raw)


def context(folder: Path, stages: dict[str, Path], wanted: Recipe) -> StageContext:
    folder.mkdir(parents=True, exist_ok=True)
    return StageContext(wanted, stages, folder, Progress(quiet=True))
