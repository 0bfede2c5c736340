"""The demo: build a small model on real code, show what each stage gained, and complete code with it over HTTP.

Run by `make demo`; folders named on the command line replace the default source, the packages of this environment.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from midspan.cli.build import say_finished
from midspan.cli.main import guarded
from midspan.cli.tables import console, stage_table
from midspan.data.cases import Case
from midspan.data.corpus import projects
from midspan.errors import MidspanError
from midspan.evaluate.cases import read_cases
from midspan.recipe.build import build
from midspan.recipe.load import load_recipe
from midspan.recipe.progress import Progress
from midspan.recipe.summary import rows_of

RUNS = Path("runs")
RECIPE = "recipes/demo.toml"
FEW_FOLDERS = 3
LONGEST_SHOWN = 160


def main() -> int:
    """Build, show, serve; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="*", help="folders of code to train on")
    arguments = parser.parse_args()
    return guarded(lambda: demo(arguments.sources))


def demo(sources: list[str]) -> None:
    """The whole demo."""
    recipe = load_recipe(RECIPE, source_overrides(sources))
    progress = Progress()
    manifests = build(recipe, RUNS, progress, lambda _, manifest, reused: say_finished(progress, manifest, reused))
    run = RUNS / recipe.name
    out = console()
    out.print(stage_table(rows_of(manifests), title=f"run {recipe.name}: what each stage took and gained"))
    report = json.loads((run / "eval" / "report.json").read_text())
    show_completions(run, report["examples"], out)
    out.print("\nNext: complete your own code with this model, anywhere in a file of yours:\n")
    out.print(f"    .venv/bin/midspan complete --model {run} --explain FILE:LINE:COL\n", highlight=False)


def source_overrides(folders: list[str]) -> tuple[str, ...]:
    """The recipe's sources for the folders: each a project, or each a folder of projects if there are only a few."""
    if not folders:
        return ()
    split = str(len(folders) < FEW_FOLDERS).lower()
    entries = ", ".join(f'{{kind = "folder", path = {json.dumps(folder)}, split = {split}}}' for folder in folders)
    return (f"data.sources=[{entries}]",)


def show_completions(run: Path, examples: list[dict[str, Any]], out: Console) -> None:
    """Ask a real server for the picked examples, and print each as a person would see it."""
    out.print(
        f"Completions of the final model in projects it never saw; {len(examples)} picked by its confidence alone"
    )
    server = subprocess.Popen(
        [sys.executable, "-m", "midspan.cli.main", "serve", "--model", str(run), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = wait_for_url(server)
        cases = {case.id: case for case in read_cases(run / "eval" / "cases.parquet")}
        for example in examples:
            answer = httpx.post(
                f"{url}/v1/midspan/completions", json=request_for(run, cases[example["case_id"]]), timeout=60
            )
            answer.raise_for_status()
            show(example, answer.json(), out)
    finally:
        server.terminate()
        server.wait()


def wait_for_url(server: subprocess.Popen[str]) -> str:
    """The address the server prints when it is ready. Raises MidspanError if it ends before."""
    assert server.stderr is not None
    for line in server.stderr:
        match = re.search(r"http://\S+", line)
        if match:
            return match[0].rstrip("/")
    raise MidspanError("the server ended before it was ready", "see its message above")


def request_for(run: Path, case: Case) -> dict[str, Any]:
    """What an editor would send: the text around the caret and the other files of the project."""
    files = next(documents for name, documents in projects(run / "data", "test") if name == case.project)
    return {
        "path": case.path,
        "prefix": case.prefix,
        "suffix": case.suffix,
        "files": [{"path": document.path, "text": document.text} for document in files if document.path != case.path],
    }


def show(example: dict[str, Any], answer: dict[str, Any], out: Console) -> None:
    """Code before, suggestion, code after."""
    usage, timings = answer["usage"], answer["timings"]
    out.print(Rule(f"{example['project']}: {example['path']}", align="left", style="dim"))
    text = Text(example["before"], style="dim")
    text.append(answer["suggestion"] or f"(no suggestion: {answer['dropped']})", style="bold green")
    text.append(example["after"], style="dim")
    out.print(text)
    out.print(
        f"suggestion: {answer['suggestion']!r}\n"
        f"really was: {shortened(example['truth'])!r}\n"
        f"{timings['total_ms']:.0f} ms, {usage['prompt_tokens']} prompt tokens, {usage['completion_tokens']} generated",
        markup=False,
        highlight=False,
    )


def shortened(text: str) -> str:
    """The beginning of a long text."""
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"


if __name__ == "__main__":
    sys.exit(main())
