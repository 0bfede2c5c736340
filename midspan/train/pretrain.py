"""Stage `pretrain`: a fresh model learns to predict the next token of documents, half of them rearranged for FIM."""

from collections.abc import Iterator

from midspan.model.llama import Llama
from midspan.recipe.stage import Metrics, StageContext
from midspan.train.loop import train
from midspan.train.packing import Row, pretrain_rows
from midspan.train.rows import write_rows
from midspan.train.setup import LanguageModelling, prepare, row_order, rows_per_step, training_documents


def run(context: StageContext) -> Metrics:
    """Train on `tokens` tokens, in as many epochs as that takes; writes `hf/` and `metrics.jsonl`."""
    recipe, config = context.recipe, context.recipe.pretrain
    setup = prepare(context, config)
    per_step = rows_per_step(config)
    steps = -(-config.tokens // (per_step * config.sequence_length))

    def packed() -> Iterator[Row]:
        """Reads the corpus only when the rows are not there yet."""
        context.progress.log(f"pretrain: packing {config.tokens:,} tokens")
        yield from pretrain_rows(
            training_documents(context),
            setup.tokenizer,
            setup.format,
            recipe.fim,
            seed=recipe.seed,
            width=setup.width,
            rows=steps * per_step,
            document_mask=config.document_mask,
        )

    with setup.devices.first_goes_first():
        rows = write_rows(packed(), setup.width, setup.tokenizer.special(setup.format.end), context.resume / "rows")
    model = Llama(recipe.model, setup.tokenizer.vocab_size)
    model.initialise(recipe.seed)
    objective = LanguageModelling(rows, row_order(rows, recipe.seed), per_step, config.micro_batch)
    return train(context, "pretrain", config, model, objective, setup.validation, setup.devices, setup.tokenizer_json)
