"""`midspan doctor`: what is installed, which engine and model would be used, and what is wrong with a recipe."""

import asyncio
import json
import os
import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

import midspan
from midspan.cli.models import choose_model
from midspan.cli.options import DEFAULT_RUNS, JsonOption, ModelOption, RunsOption, SetOption
from midspan.data.filters.rules import describe
from midspan.errors import MidspanError
from midspan.recipe.load import load_recipe

SERVING = ("xllamacpp", "tokenizers", "tree-sitter", "fastapi", "pygls")
TRAINING = (
    "torch",
    "daft",
    "pyarrow",
    "sacrebleu",
    "rapidfuzz",
    "licenseclassifier",
    "license-expression",
    "google-re2",
)


@dataclass(frozen=True)
class Finding:
    """One line of the report; `ok` is None for a plain fact."""

    topic: str
    text: str
    ok: bool | None = None


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("doctor", rich_help_panel="Inspect")(_doctor)


def _doctor(
    recipe: Annotated[str | None, typer.Argument(metavar="[RECIPE]", help="A recipe to check.")] = None,
    set_: SetOption = None,
    model: ModelOption = None,
    runs: RunsOption = DEFAULT_RUNS,
    json_: JsonOption = False,
) -> None:
    """Say what is installed, which engine and model would be used, and what is wrong with RECIPE.

    Exits with 2 if something asked for (the recipe, the model) would not work.
    """
    findings = [*_machine(), *_packages(), _torch(), _model(model, runs)]
    if recipe:
        findings.extend(_recipe(recipe, tuple(set_ or ())))
    if json_:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        marks = {True: "ok ", False: "BAD", None: "   "}
        for finding in findings:
            for line in finding.text.splitlines():
                typer.echo(f"{marks[finding.ok]} {finding.topic:9} {line}")
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(2)


def _machine() -> list[Finding]:
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return [Finding("midspan", f"{midspan.__version__}, Python {platform.python_version()}, {system}")]


def _packages() -> list[Finding]:
    return [
        _group("serving", SERVING, "reinstall with: pip install midspan", required=True),
        _group("training", TRAINING, "to train: pip install 'midspan[train]'", required=False),
    ]


def _group(topic: str, packages: tuple[str, ...], remedy: str, required: bool) -> Finding:
    versions = {package: _version(package) for package in packages}
    missing = [package for package, version in versions.items() if version is None]
    if missing:
        return Finding(topic, f"missing: {', '.join(missing)}; {remedy}", False if required else None)
    return Finding(topic, ", ".join(f"{package} {version}" for package, version in versions.items()), True)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _torch() -> Finding:
    try:
        import torch
    except ImportError:
        return Finding("device", "completions run on the CPU with llama.cpp; training is not installed")
    if torch.cuda.is_available():
        return Finding(
            "device", f"training on {torch.cuda.get_device_name()} ({torch.cuda.device_count()} of them)", True
        )
    return Finding("device", f"training on the CPU with {torch.get_num_threads()} threads", True)


def _model(model: str | None, runs: Path) -> Finding:
    """Open the model that would be used, as `midspan serve` would."""
    from midspan.engine.open import open_engine

    async def describe(name: str) -> str:
        engine = await open_engine(name, runs=runs)
        try:
            return (
                f"{name}: engine {engine.name}, prompt format {engine.format.family}, "
                f"vocabulary {engine.tokenizer.vocab_size:,}, context {engine.context_length:,}"
            )
        finally:
            await engine.close()

    try:
        return Finding("model", asyncio.run(describe(choose_model(model, runs))), True)
    except MidspanError as error:
        return Finding("model", str(error), False if model else None)


def _recipe(recipe: str, overrides: tuple[str, ...]) -> list[Finding]:
    try:
        loaded = load_recipe(recipe, overrides)
    except MidspanError as error:
        return [Finding("recipe", str(error), False)]
    filters = "\n".join(describe(loaded.data.filters))
    return [Finding("recipe", f"{recipe}: run {loaded.name}", True), Finding("filters", filters)]
