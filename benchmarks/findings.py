"""Four findings of the blueprint, tried again at the size this machine can train; see docs/evaluation.md.

1. Fine-tuning with project context helps. 2. Middles cut at syntax help. 3. DPO brings the length nearer to the truth
and lowers the share of stubs. 4. Mixing context strategies does not hurt a single one.

From one finished run, whose corpus, tokenizer, base model and settings all variants share, the fine-tuning is done
again in one way each, with the same number of tokens and the same seed: with the mix of strategies, without context,
with each strategy alone, and with middles that may start and end anywhere in a line. Each is asked on the cases of
projects that the run held out, with the context that it was trained on. What is printed for each finding is the paired
difference with its interval, and whether the finding holds, is contradicted, or cannot be told.

    python benchmarks/findings.py --run demo --recipe recipes/demo.toml [--set sft.tokens=320000] [--cases 300]

What is finished is kept under --work and not done again.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Table

from midspan.cli.main import guarded
from midspan.errors import MidspanError
from midspan.evaluate.case_sets import CaseSet, case_set
from midspan.evaluate.compare import Difference, differences
from midspan.evaluate.evaluation import Model, evaluate_model
from midspan.evaluate.run import Prediction
from midspan.evaluate.systems import Way
from midspan.recipe.load import load_recipe
from midspan.recipe.progress import Progress
from midspan.recipe.schema import CutWeights, Recipe, Strategy
from midspan.recipe.stage import StageContext
from midspan.recipe.summary import run_directory

ANYWHERE = CutWeights(block_boundary=0, line_start=0, line_middle=1, token_middle=1)
WORKERS = 2


@dataclass(frozen=True)
class Variant:
    """A way to fine-tune, and the strategy with which its model is asked."""

    name: str
    recipe: Recipe
    strategy: Strategy


def main() -> int:
    """Train, ask, print; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", default="demo", help="a finished run")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--recipe", default="recipes/demo.toml", help="the recipe of that run")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--work", type=Path, default=Path("runs/.findings"))
    arguments = parser.parse_args()
    return guarded(lambda: experiment(arguments))


def experiment(arguments: argparse.Namespace) -> None:
    """The whole experiment."""
    run = run_directory(arguments.run, arguments.runs)
    recipe = load_recipe(arguments.recipe, tuple(arguments.set))
    chosen = case_set(str(run), arguments.runs).limited(arguments.cases)
    progress = Progress()
    predictions: dict[tuple[str, Strategy], list[Prediction]] = {}

    def ask(name: str, model: Path, strategy: Strategy) -> list[Prediction]:
        if (name, strategy) not in predictions:
            predictions[name, strategy] = asked(model, name, recipe, strategy, chosen, progress)
        return predictions[name, strategy]

    trained = {variant.name: (variant, tuned(variant, run, arguments.work, progress)) for variant in variants(recipe)}

    def own(name: str, strategy: Strategy | None = None) -> list[Prediction]:
        variant, model = trained[name]
        return ask(name, model, strategy or variant.strategy)

    out = Console(highlight=False)
    table = Table(title=f"{len(chosen.cases):,} cases; differences in points", title_justify="left")
    for column in ("finding", "figure", "one", "other", "change", ""):
        table.add_column(column)
    show(table, "1: context in fine-tuning", chosen, own("without context"), own("mixed"), ("kk", "chrf", "em"))
    show(table, "2: middles cut at syntax", chosen, own("cut anywhere"), own("mixed"), ("kk", "chrf", "em"))
    if (run / "dpo" / "hf").is_dir() and (run / "sft" / "hf").is_dir():
        before, after = (ask(stage, run / stage / "hf", recipe.prompt.strategy) for stage in ("sft", "dpo"))
        show(table, "3: DPO, length and stubs", chosen, before, after, ("length_ratio", "stub", "kk"))
    for strategy in contexts():
        single, mixed = own(f"only {strategy}"), own("mixed", strategy)
        show(table, f"4: the mix, asked with {strategy}", chosen, single, mixed, ("kk", "chrf"), even="no harm seen")
    out.print(table)


def contexts() -> Sequence[Strategy]:
    """The strategies that show anything."""
    return [strategy for strategy in get_args(Strategy) if strategy != "none"]


def variants(recipe: Recipe) -> list[Variant]:
    """Every way of fine-tuning."""

    def changed(strategies: dict[Strategy, float]) -> Recipe:
        return recipe.model_copy(update={"sft": recipe.sft.model_copy(update={"strategies": strategies})})

    anywhere = recipe.fim.model_copy(update={"start": ANYWHERE, "end": ANYWHERE})
    usual = recipe.prompt.strategy
    return [
        Variant("mixed", recipe, usual),
        Variant("without context", changed({"none": 1.0}), "none"),
        Variant("cut anywhere", recipe.model_copy(update={"fim": anywhere}), usual),
        *(Variant(f"only {strategy}", changed({strategy: 1.0}), strategy) for strategy in contexts()),
    ]


def tuned(variant: Variant, run: Path, work: Path, progress: Progress) -> Path:
    """The Hugging Face directory of a variant's model, trained now if that was not done."""
    from midspan.train.sft import run as fine_tune

    for stage in ("data", "tokenizer", "pretrain"):
        if not (run / stage / "manifest.json").is_file():
            raise MidspanError(f"{run} has no finished stage {stage}", "build the run first")
    folder = work / run.name / variant.name.replace(" ", "-")
    done = folder / "done"
    settings = variant.recipe.model_dump_json(include={"seed", "fim", "prompt", "sft"})
    if not (done.is_file() and done.read_text() == settings):
        folder.mkdir(parents=True, exist_ok=True)
        progress.log(f"fine-tuning: {variant.name}")
        inputs = {stage: run / stage for stage in ("data", "tokenizer", "pretrain")}
        fine_tune(StageContext(variant.recipe, inputs, folder, progress))
        done.write_text(settings)
    return folder / "hf"


def asked(
    model: Path, name: str, recipe: Recipe, strategy: Strategy, chosen: CaseSet, progress: Progress
) -> list[Prediction]:
    """The predictions of a model with one strategy."""
    prompt = recipe.prompt.model_copy(update={"strategy": strategy})
    way = Way(recipe.eval.max_new_tokens, prompt=prompt)
    opened = Model(str(model), Path(), WORKERS)
    return asyncio.run(evaluate_model(opened, {f"{name}, {strategy}": way}, chosen, progress))[f"{name}, {strategy}"]


def show(
    table: Table,
    finding: str,
    chosen: CaseSet,
    one: Sequence[Prediction],
    other: Sequence[Prediction],
    figures: Sequence[str],
    even: str = "cannot be told",
) -> None:
    """A row per figure: both sides, the change, and what it says of the finding; `even` if no difference is seen."""
    found = {each.figure.name: each for each in differences(chosen.cases, one, other, 0)}
    for name in figures:
        each = found[name]
        text = each.figure.text
        change = f"{text(each.change.value, True)} [{text(each.change.low, True)}, {text(each.change.high, True)}]"
        verdict = verdict_of(each) or even
        table.add_row(finding, each.figure.title, text(each.one), text(each.other), change.replace("[", "\\["), verdict)
        finding = "  "


def verdict_of(each: Difference) -> str:
    """Whether the figure bears the finding out, empty if nothing is seen; a length ratio is better nearer to 1."""
    if not each.verdict:
        return ""
    better = each.verdict == "better"
    if each.verdict == "differs":
        better = abs(each.other - 1) < abs(each.one - 1)
    return "holds" if better else "contradicted"


if __name__ == "__main__":
    sys.exit(main())
