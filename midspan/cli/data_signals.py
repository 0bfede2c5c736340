"""`midspan data signals FILE`: what curation measures of a file, and which rule would drop it under each rule set."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from midspan.cli.options import JsonOption
from midspan.cli.tables import console
from midspan.data.filters.rules import RULES, Filters, Rule
from midspan.errors import MidspanError
from midspan.recipe.filter_presets import PRESETS
from midspan.recipe.filters import FilterConfig
from midspan.recipe.load import load_recipe
from midspan.syntax.languages import language_of


def signals(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A source file.")],
    recipe: Annotated[
        str | None, typer.Option("--recipe", metavar="RECIPE", help="Also judge by \\[data.filters] of this recipe.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Show the licence a file states, every signal, and which rule of each rule set would drop it.

    A threshold that the file breaks is marked with `!`; the licence of the file's project is not looked up.
    """
    configs = {name: FilterConfig.model_validate({"preset": name}) for name in PRESETS}
    if recipe:
        configs["recipe"] = load_recipe(recipe).data.filters
    language = language_of(file.name)
    if language is None:
        raise MidspanError(f"{file}: no language is known by this name", "give a source file")
    report = _measure(file, language.name, configs)
    if json_:
        typer.echo(json.dumps(report))
    else:
        _print(file, report)


def _measure(file: Path, language: str, configs: dict[str, FilterConfig]) -> dict[str, Any]:
    try:
        from midspan.data.decode import decode
        from midspan.data.filters.signals import signals as measure
        from midspan.data.licence import header_licence
    except ModuleNotFoundError as error:
        raise MidspanError(
            f"`midspan data` needs the package {error.name}", "install it with: pip install 'midspan[train]'"
        ) from None
    try:
        content = file.read_bytes()
    except OSError as error:
        raise MidspanError(f"cannot read {file}: {error.strerror}") from None
    text, unusable = decode(content)
    if unusable:
        raise MidspanError(f"{file} is dropped without being measured: {unusable}")
    measured = measure(text, file.as_posix(), language)
    stated = header_licence(text)
    filters = {name: Filters(config) for name, config in configs.items()}
    return {
        "language": language,
        "licence": stated.expression if stated else None,
        "licence_evidence": stated.evidence if stated else "the file states none; that of its project holds",
        "signals": measured,
        "thresholds": {
            name: {rule.threshold: limit for rule, limit in each.limits(language)} for name, each in filters.items()
        },
        "broken": {
            name: [asdict(refusal) for refusal in each.broken(measured, language)] for name, each in filters.items()
        },
    }


def _print(file: Path, report: dict[str, Any]) -> None:
    out = console()
    out.print(
        f"{file}: {report['language']}; licence: {report['licence'] or ''} ({report['licence_evidence']})", markup=False
    )
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("signal")
    table.add_column("value", justify="right")
    for name in report["thresholds"]:
        table.add_column(f"{name} drops", justify="right")
    for signal, value in report["signals"].items():
        if value is None:
            continue
        rules = [rule for rule in RULES if rule.signal == signal]
        cells = []
        for limits in report["thresholds"].values():
            held = [(rule, limits[rule.threshold]) for rule in rules if limits.get(rule.threshold) is not None]
            cells.append(", ".join(_limit(rule, value, limit) for rule, limit in held))
        table.add_row(signal, escape(_short(value)), *cells)
    out.print(table)
    for name, refusals in report["broken"].items():
        said = "; ".join(f"{refusal['reason']} ({refusal['detail']})" for refusal in refusals)
        out.print(f"{name}: {f'dropped: {said}' if said else 'kept'}", markup=False)


def _limit(rule: Rule, value: Any, limit: Any) -> str:
    text = "yes" if rule.is_switch and limit else f"{rule.sign} {_short(limit)}".strip()
    return f"[red]{text} ![/]" if rule.breaks(value, limit) else text


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:,}"
