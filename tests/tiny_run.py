"""A run in miniature, for end-to-end tests: corpus, tokenizer, an untrained model and one that learnt the corpus."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from case_samples import corpus
from torch.nn.functional import cross_entropy

from midspan.context.project import File, Project
from midspan.data.cases import draw_cases
from midspan.data.corpus import Document
from midspan.model.checkpoint import save_hf
from midspan.model.llama import Llama
from midspan.model.tokenizer import train_tokenizer
from midspan.prompt.build import make_prompt, target_ids
from midspan.prompt.formats import detect_format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.progress import Progress
from midspan.recipe.schema import Recipe
from midspan.recipe.stage import StageContext

TRAINING = {"tokens": 1000, "batch_tokens": 1000, "sequence_length": 256}
RECIPE = Recipe.model_validate(
    {
        "name": "tiny",
        "tokenizer": {"vocab_size": 360},
        "model": {"hidden_size": 96, "layers": 2, "heads": 4, "kv_heads": 4, "mlp_size": 256, "context_length": 512}
        | {"tie_embeddings": True},
        "prompt": {"max_tokens": 256},
        "pretrain": TRAINING,
        "sft": TRAINING,
        "dpo": TRAINING,
        "prefer": {"cases": 24, "temperatures": [0.2, 1.0], "max_new_tokens": 48, "min_margin": 0.1},
        "eval": {"cases": 16, "max_new_tokens": 48, "stages": ["base", "sft"]},
    }
)


def tiny_run(folder: Path, steps: int) -> dict[str, Path]:
    """Directories of the stages data, tokenizer, pretrain (untrained) and sft (`steps` steps on its own corpus)."""
    inputs = {name: folder / name for name in ("data", "tokenizer", "pretrain", "sft")}
    for path in inputs.values():
        path.mkdir()
    train = corpus(projects=3, files=3, split="train")
    documents = [one for _, files in [*corpus(projects=3, files=3), *train] for one in files]
    table = pa.Table.from_pylist([vars(one) for one in documents])
    pq.write_table(table, inputs["data"] / "corpus.parquet")
    text = train_tokenizer((one.text for one in documents), RECIPE.tokenizer.vocab_size).to_str()
    (inputs["tokenizer"] / "tokenizer.json").write_text(text)
    model = Llama(RECIPE.model, RECIPE.tokenizer.vocab_size)
    model.initialise(0)
    save_hf(model, text, inputs["pretrain"] / "hf")
    _learn(model, Tokenizer.from_json(text), train, steps)
    save_hf(model, text, inputs["sft"] / "hf")
    return inputs


def _learn(model: Llama, tokenizer: Tokenizer, projects: list[tuple[str, list[Document]]], steps: int) -> None:
    form = detect_format(tokenizer)
    rows = []
    for case in draw_cases(lambda: projects, 64, RECIPE.fim, 5):
        project = Project.of(case.project, [File(one.path, one.text) for one in dict(projects)[case.project]])
        prompt = make_prompt(
            tokenizer,
            form,
            project,
            path=case.path,
            prefix=case.prefix,
            suffix=case.suffix,
            strategy="none",
            config=RECIPE.prompt,
        )
        target = target_ids(tokenizer, form, prompt, case.middle)
        rows.append((prompt.ids, target))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        chosen = [rows[index] for index in torch.randint(len(rows), (8,), generator=generator)]
        length = max(len(prompt) + len(target) for prompt, target in chosen)
        ids = torch.zeros(8, length, dtype=torch.long)
        for row, (prompt, target) in enumerate(chosen):
            ids[row, : len(prompt) + len(target)] = torch.tensor(prompt + target)
        labels = ids.masked_fill(
            torch.arange(length)[None] >= torch.tensor([[len(p) + len(t)] for p, t in chosen]), -100
        )
        loss = cross_entropy(model(ids[:, :-1]).flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def stage_context(inputs: dict[str, Path], work: Path, recipe: Recipe = RECIPE) -> StageContext:
    work.mkdir(exist_ok=True)
    return StageContext(recipe, inputs, work, Progress(quiet=True))
