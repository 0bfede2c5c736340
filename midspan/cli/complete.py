"""`midspan complete FILE:LINE:COL`: one suggestion in the terminal, and with `--explain` how it came about."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from midspan.cli.models import choose_model
from midspan.cli.options import (
    DEFAULT_RUNS,
    EngineOption,
    FamilyOption,
    JsonOption,
    ModelOption,
    RunsOption,
    TokenizerOption,
)
from midspan.cli.tables import console
from midspan.complete.answer import answer
from midspan.complete.completer import Completer
from midspan.complete.pipeline import checked
from midspan.complete.request import CompletionRequest, Suggestion
from midspan.context.index import Index
from midspan.context.strategies import features_of
from midspan.engine.open import engine_name, open_engine
from midspan.engine.protocol import Engine
from midspan.errors import MidspanError

MARKERS = (".git", "pyproject.toml", "package.json", "go.mod", "Cargo.toml", "pom.xml")


@dataclass(frozen=True)
class Caret:
    """A place in a file: the text before and after it."""

    file: Path
    prefix: str
    suffix: str


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("complete", rich_help_panel="Complete")(_complete)


def _complete(
    place: Annotated[str, typer.Argument(metavar="FILE:LINE:COL", help="Caret; line and column count from 1.")],
    model: ModelOption = None,
    root: Annotated[
        Path | None, typer.Option("--root", metavar="DIR", help="The project. Default: found from the file upwards.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show the prompt and where each part came from.")] = False,
    max_new_tokens: Annotated[
        int | None, typer.Option("--max-new-tokens", min=1, help="Longest suggestion. Default: as the model says.")
    ] = None,
    candidates: Annotated[int, typer.Option("--candidates", min=1, max=20, help="Different suggestions wanted.")] = 1,
    min_confidence: Annotated[
        float | None, typer.Option("--min-confidence", min=0.0, max=1.0, help="Show nothing that is less certain.")
    ] = None,
    skip_step: Annotated[
        list[str] | None, typer.Option("--skip-step", metavar="NAME", help="Leave a step out; --explain names them.")
    ] = None,
    tokenizer: TokenizerOption = None,
    family: FamilyOption = None,
    engine: EngineOption = "auto",
    runs: RunsOption = DEFAULT_RUNS,
    json_: JsonOption = False,
) -> None:
    """Print the suggestion at a caret."""
    caret = read_caret(place)
    project_root = (root or find_root(caret.file)).resolve()
    chosen = choose_model(model, runs)
    opening = partial(open_engine, chosen, runs=runs, tokenizer=tokenizer, family=family, engine=engine_name(engine))
    request = CompletionRequest(
        path="",
        prefix=caret.prefix,
        suffix=caret.suffix,
        max_new_tokens=max_new_tokens,
        candidates=candidates,
        min_confidence=min_confidence,
        skip=checked(skip_step or ()),
    )
    suggestion = asyncio.run(_suggest(caret.file, request, project_root, opening))
    if json_:
        typer.echo(json.dumps(answer(suggestion, chosen, explain)))
        return
    if explain:
        print_explanation(suggestion)
    if suggestion.dropped:
        typer.echo(f"(no suggestion: {suggestion.dropped})", err=True)
    typer.echo(suggestion.text)
    for alternative in suggestion.alternatives:
        typer.echo(f"--- or, with confidence {alternative.confidence:.2f}:\n{alternative.text}")


def read_caret(place: str) -> Caret:
    """The caret of "FILE:LINE:COL". Raises MidspanError if it is malformed, unreadable or outside the file.

    Lines end with LF, CRLF or CR and nothing else, as in editors.
    """
    match = re.fullmatch(r"(.+):(\d+):(\d+)", place)
    if not match:
        raise MidspanError(f"{place} is not FILE:LINE:COL", "for example src/app.py:12:5")
    file, line, column = Path(match[1]), int(match[2]), int(match[3])
    try:
        text = file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise MidspanError(f"no file {file}") from None
    except UnicodeDecodeError as error:
        raise MidspanError(f"{file} is not UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise MidspanError(f"cannot read {file}: {error.strerror}") from None
    parts = re.split(r"(\r\n|\r|\n)", text)  # line, line break, line, ..., line
    lines = parts[::2]
    if not 1 <= line <= len(lines):
        raise MidspanError(f"{file} has {len(lines)} lines, not {line}")
    width = len(lines[line - 1])
    if not 1 <= column <= width + 1:
        raise MidspanError(f"{file}:{line} has columns 1 to {width + 1}, not {column}")
    offset = sum(map(len, parts[: 2 * (line - 1)])) + column - 1
    return Caret(file, text[:offset], text[offset:])


def find_root(file: Path) -> Path:
    """The nearest folder above `file` that looks like a project, else the file's own folder."""
    folder = file.resolve().parent
    for candidate in (folder, *folder.parents):
        if any((candidate / marker).exists() for marker in MARKERS):
            return candidate
    return folder


async def _suggest(
    file: Path, request: CompletionRequest, root: Path, opening: Callable[[], Awaitable[Engine]]
) -> Suggestion:
    """The answer to `request`, to which its place in the project is added here."""
    path = file.resolve()
    if not path.is_relative_to(root):
        raise MidspanError(f"{file} is not below the project {root}", "name its project with --root")
    engine = await opening()
    index: Index | None = None
    try:
        completer = Completer(engine)
        index = await asyncio.to_thread(Index.open, root)
        await asyncio.to_thread(index.prepare, features_of(completer.config.strategy, engine.tokenizer))
        located = replace(request, path=path.relative_to(root).as_posix(), project=index.project)
        return await completer.complete(located)
    finally:
        if index is not None:
            index.close()
        await engine.close()


def print_explanation(suggestion: Suggestion) -> None:
    """Print the parts of the prompt with their reasons, what each step did, and the figures of the generation."""
    table = Table(title="The prompt, in order", title_justify="left")
    for column in ("part", "file", "tokens", "why"):
        table.add_column(column, justify="right" if column == "tokens" else "left")
    for part in suggestion.prompt.parts:
        table.add_row(part.kind, Text(part.path), str(part.tokens), part.reason)
    out = console()
    out.print(table)
    for part in suggestion.prompt.parts:
        out.rule(Text(f"{part.kind} {part.path}".strip()), align="left")
        out.print(part.text, markup=False, highlight=False)
    out.rule("the completion", align="left")
    out.print(f"caret: {suggestion.caret}", highlight=False)
    healed = suggestion.prompt.healed
    healing = f"generation had to begin with {healed!r}" if healed else "nothing to heal"
    out.print(f"healing: {healing}", markup=False, highlight=False)
    for step in suggestion.steps:
        out.print(f"{step.name}: {step.did or 'nothing to do'} ({step.ms:.1f} ms)", markup=False, highlight=False)
    if suggestion.replace:
        out.print(f"replaces {suggestion.replace} characters behind the caret", highlight=False)
    out.print(
        f"confidence {suggestion.confidence:.2f}; {len(suggestion.alternatives)} other candidates", highlight=False
    )
    out.print(
        f"stopped by {suggestion.stop_reason}; mean log-probability {suggestion.logprob:.2f}; "
        f"{suggestion.prompt_tokens} prompt tokens, {suggestion.cached_tokens} of them cached; "
        f"prompt {suggestion.timings.prompt_ms:.0f} ms, generation {suggestion.timings.generate_ms:.0f} ms",
        highlight=False,
    )
    out.rule("suggestion", align="left")
