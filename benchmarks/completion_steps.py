"""What the completion logic is worth, and what it costs.

The engine is fixed: every case is generated once, greedily and without any step; the steps are then applied to the
raw text. Exact match and chrF++ with all steps, with none, with all but one and with one alone; differences are paired,
with 95 % bootstrap intervals over cases. Three writers: the model, one that writes the text that really stood there and
then goes on as the file does below the caret, and one that goes on with lines of another file; of these two only
stopping and trimming count.

The second part measures the time of the stopping rules per piece of text, and of all steps behind the generation, in a
file of some 2,000 lines. The peer there is parsing the file with the suggestion anew.

    python benchmarks/completion_steps.py [--model demo] [--runs runs] [--cases 300]
"""

import argparse
import asyncio
import inspect
import json
import statistics
import time
from asyncio import base_events
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from midspan.complete.caret import BLOCKS, QUOTED, caret_kind
from midspan.complete.completer import read_ahead, stopper
from midspan.complete.draft import Draft
from midspan.complete.pipeline import STEPS, Step, run_steps
from midspan.data.cases import Case, with_projects
from midspan.data.corpus import projects
from midspan.engine.open import open_engine
from midspan.engine.protocol import GenerateRequest
from midspan.evaluate.cases import held_out_cases
from midspan.evaluate.chrf import chrf
from midspan.evaluate.intervals import mean_interval
from midspan.evaluate.metrics import exact_match
from midspan.prompt.build import make_prompt
from midspan.recipe.schema import FimConfig
from midspan.syntax.languages import LANGUAGES
from midspan.syntax.parse import error_count

MAX_NEW_TOKENS = 64
GOES_ON = 400
"""Characters that the writers that do not stop add to the truth."""
PIECE = 4
"""Characters of a piece of streamed text, about a token."""


@dataclass(frozen=True)
class Raw:
    """A case and what was generated for it."""

    case: Case
    text: str
    truncated: bool


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="demo", help="a run with its corpus")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--keep", type=Path, help="file that keeps the generations for the next time")
    arguments = parser.parse_args()
    corpus = arguments.runs / arguments.model / "data"
    cases = held_out_cases(corpus, arguments.cases, FimConfig(), seed=0)
    others = cases[1:] + cases[:1]
    copying = [Raw(case, case.middle + case.suffix[:GOES_ON], len(case.suffix) > GOES_ON) for case in cases]
    rambling = [
        Raw(case, f"{case.middle}\n{other.middle}\n{other.suffix[:GOES_ON]}", True)
        for case, other in zip(cases, others, strict=True)
    ]
    show_worth("the truth, then what follows in the file", copying)
    show_worth("the truth, then lines of another file", rambling)
    show_worth(f"the model of {arguments.model}", generated(arguments, cases, corpus))
    show_cost()


def generated(arguments: argparse.Namespace, cases: list[Case], corpus: Path) -> list[Raw]:
    """Every case generated once without steps, or read from the file that keeps them."""
    keep: Path | None = arguments.keep
    if keep is not None and keep.exists():
        known = json.loads(keep.read_text())
    else:
        known = asyncio.run(generate(arguments.model, arguments.runs, cases, corpus))
        if keep is not None:
            keep.write_text(json.dumps(known))
    return [Raw(case, *known[case.id]) for case in cases]


async def generate(model: str, runs: Path, cases: list[Case], corpus: Path) -> dict[str, tuple[str, bool]]:
    """The raw text of each case, and whether the limit cut it."""
    engine = await open_engine(model, runs=runs)
    found: dict[str, tuple[str, bool]] = {}
    try:
        for key, (case, project) in with_projects(cases, lambda: projects(corpus, "test")):
            prompt = make_prompt(
                engine.tokenizer,
                engine.format,
                project,
                path=case.path,
                prefix=case.prefix,
                suffix=case.suffix,
                strategy=engine.prompt_config.strategy,
                config=engine.prompt_config,
            )
            room = MAX_NEW_TOKENS + len(engine.tokenizer.encode(prompt.healed))
            generation = await engine.generate(GenerateRequest(prompt.ids, room, starts_with=prompt.healed))
            found[key] = (generation.text, generation.stop_reason == "length")
    finally:
        await engine.close()
    return found


def show_worth(title: str, raws: Sequence[Raw]) -> None:
    """The table of steps: all, none, and each one's own effect."""
    everything, nothing = measure(raws, STEPS), measure(raws, ())
    table = Table(title=f"{title}: {len(raws)} cases, mean and [95 % interval]")
    for column in ("steps", "EM", "chrF++"):
        table.add_column(column, justify="left" if column == "steps" else "right", no_wrap=True)
    table.add_row("none", *(interval([scores[part] for scores in nothing]) for part in (0, 1)))
    table.add_row("all", *(interval([scores[part] for scores in everything]) for part in (0, 1)))
    table.add_row("all - none", *difference(everything, nothing), end_section=True)
    for step in STEPS:
        without = measure(raws, [other for other in STEPS if other is not step])
        table.add_row(f"all - all but {step.name}", *difference(everything, without))
    for step in STEPS:
        alone = measure(raws, [step])
        table.add_row(f"only {step.name} - none", *difference(alone, nothing))
    Console(width=110).print(table)


def measure(raws: Sequence[Raw], steps: Sequence[Step]) -> list[tuple[float, float]]:
    """Exact match and chrF++ of each case, in percent; a dropped suggestion is an empty one."""
    scores = []
    for raw in raws:
        final, _ = run_steps(draft_of(raw.case, raw.text, raw.truncated), steps)
        truth = raw.case.middle + raw.case.suffix[: final.replace]
        scores.append((100 * exact_match(final.text, truth), chrf(final.text, truth)))
    return scores


def draft_of(case: Case, text: str, truncated: bool) -> Draft:
    """The text at the caret, lines wanted as the completer decides."""
    language = LANGUAGES.get(case.language)
    caret = caret_kind(case.prefix, case.suffix, language)
    return Draft(text, case.prefix, case.suffix, language, caret in BLOCKS, caret in QUOTED, truncated)


def difference(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> tuple[str, str]:
    """The paired differences of both measures."""
    em, character = (
        interval([mine[part] - yours[part] for mine, yours in zip(one, other, strict=True)]) for part in (0, 1)
    )
    return em, character


def interval(values: list[float]) -> str:
    """The mean and its interval over cases."""
    found = mean_interval(values, [str(number) for number in range(len(values))], seed=0)
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def show_cost() -> None:
    """The table of times at carets all over one long file."""
    text = inspect.getsource(base_events)
    language = LANGUAGES["python"]
    lines = text.splitlines(keepends=True)
    pieces, steps, ahead, peer = [], [], [], []
    for number in range(20, len(lines) - 20, 23):
        blanks = len(lines[number]) - len(lines[number].lstrip())
        start = sum(map(len, lines[:number])) + blanks
        end = start + len("".join(lines[number : number + 8]))
        prefix, written, suffix = text[:start], text[start:end], "\n" + text[end:]
        draft = Draft("", prefix, suffix, language, block=True)
        ahead.append(timed(lambda draft=draft: read_ahead(draft)))
        ended = stopper(draft, STEPS)
        for size in range(PIECE, len(written), PIECE):
            pieces.append(timed(lambda size=size, ended=ended, written=written: ended(written[:size])))
        whole = replace(draft, text=written, truncated=True)
        steps.append(timed(lambda whole=whole: run_steps(whole)))
        peer.append(timed(lambda draft=draft, written=written: broken_afresh(draft, written)))
    table = Table(title=f"Time in a file of {len(lines):,} lines, CPU milliseconds")
    for column in ("", "p50", "p95", "largest"):
        table.add_column(column, justify="right" if column else "left")
    for name, times in (
        ("stopping rules, per piece of text", pieces),
        ("all steps behind the generation", steps),
        ("reading the file, while the model generates", ahead),
        ("peer: parsing the file with the suggestion anew", peer),
    ):
        cuts = statistics.quantiles(times, n=20)
        table.add_row(name, f"{statistics.median(times):.2f}", f"{cuts[18]:.2f}", f"{max(times):.2f}")
    Console(width=110).print(table)


def broken_afresh(draft: Draft, written: str) -> bool:
    """Whether the text breaks the syntax, without a tree to start from."""
    document = (draft.prefix + draft.suffix).encode()
    return error_count((draft.prefix + written + draft.suffix).encode(), LANGUAGES["python"]) > error_count(
        document, LANGUAGES["python"]
    )


def timed(work: Callable[[], object]) -> float:
    """Milliseconds of this thread on a core: what else the machine does is no cost of ours."""
    started = time.thread_time()
    work()
    return (time.thread_time() - started) * 1_000


if __name__ == "__main__":
    main()
