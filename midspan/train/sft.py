"""Stage `sft`: the base model learns to fill syntax-cut middles from prompts with project context."""

from collections.abc import Iterator

from midspan.model.checkpoint import load_hf
from midspan.recipe.stage import Metrics, StageContext
from midspan.train.examples import ExampleMaker, make_examples
from midspan.train.loop import train
from midspan.train.packing import best_fit
from midspan.train.rows import Segment, write_rows
from midspan.train.setup import LanguageModelling, prepare, row_order, rows_per_step, training_documents


def run(context: StageContext) -> Metrics:
    """Train on examples of `tokens` tokens together; writes `hf/` and `metrics.jsonl`."""
    recipe, config = context.recipe, context.recipe.sft
    setup = prepare(context, config)
    maker = ExampleMaker(setup.tokenizer, setup.format, recipe.fim, recipe.prompt, config, recipe.seed)

    def examples() -> Iterator[Segment]:
        total = 0
        with context.progress.task("sft: making examples", config.tokens) as task:
            for example in make_examples(maker, training_documents(context), config.tokens):
                total += 1
                task.advance(len(example.ids))
                yield example
        skipped = maker.skipped
        context.progress.log(
            f"sft: {total:,} examples; left out: {skipped.no_cut:,} without a cut, {skipped.too_long:,} too long"
        )

    with setup.devices.first_goes_first():
        rows = write_rows(
            best_fit(examples(), setup.width),
            setup.width,
            setup.tokenizer.special(setup.format.end),
            context.resume / "rows",
        )
    model = load_hf(context.inputs["pretrain"] / "hf")
    objective = LanguageModelling(rows, row_order(rows, recipe.seed), rows_per_step(config), config.micro_batch)
    return train(context, "sft", config, model, objective, setup.validation, setup.devices, setup.tokenizer_json)
