"""`midspan syntax`: where a file can be cut, what cuts are drawn from it, and how the cuts of many files come out."""

import json
import math
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from midspan.cli.cut_view import NAMES, legend, print_file, print_split
from midspan.cli.options import JsonOption
from midspan.cli.tables import console
from midspan.context.walk import walk
from midspan.errors import MidspanError
from midspan.fim.report import NO_GRAMMAR, QUANTILES, CutReport, Drawn, KindShare, cut_report
from midspan.fim.split import Split, document_rng
from midspan.fim.syntax import syntax_split
from midspan.recipe.load import load_recipe
from midspan.recipe.schema import FimConfig
from midspan.syntax.cuts import CutKind, Outline, end_points, outline, pieces, start_points
from midspan.syntax.languages import language_of

TOLERANCE = 2.0
"""Percentage points between asked and drawn shares above which the report points a kind out."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("syntax", rich_help_panel="Inspect")(_syntax)


def _syntax(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="A file; with --report files and folders.")],
    recipe: Annotated[
        str | None, typer.Option("--recipe", metavar="RECIPE", help="Take the weights of \\[fim] from this recipe.")
    ] = None,
    kind: Annotated[
        Literal["start", "end"], typer.Option("--kind", help="Show where a middle may start, or where it may end.")
    ] = "start",
    draw: Annotated[int, typer.Option("--draw", min=0, metavar="N", help="Show N splits drawn from the file.")] = 0,
    report: Annotated[
        bool, typer.Option("--report", help="Cut every file and compare the kinds drawn with those asked for.")
    ] = False,
    draws: Annotated[int, typer.Option("--draws", min=1, metavar="N", help="Cuts per file in the report.")] = 8,
    seed: Annotated[int, typer.Option("--seed", help="Other draws.")] = 0,
    json_: JsonOption = False,
) -> None:
    """Show where a file can be cut for fill-in-the-middle, what is drawn from it, or what many files give.

    Cut points have four kinds: block boundary, line start, line middle and token middle. A terminal shows them in
    colour; elsewhere marks stand below each line.
    """
    config = load_recipe(recipe).fim if recipe else FimConfig()
    if report:
        _report(paths, config, draws, seed, json_)
        return
    if len(paths) > 1:
        raise MidspanError("syntax shows one file at a time", "add --report to cut several files or folders")
    path = paths[0]
    text = _read(path)
    language = language_of(path.name)
    document = outline(text.encode(), language)
    drawn = [syntax_split(text, language, document_rng(seed, number, path.name), config) for number in range(draw)]
    splits = [split for split in drawn if split]
    name = language.name if language else NO_GRAMMAR
    if json_:
        typer.echo(json.dumps(_as_json(path, name, document, kind, splits)))
        return
    out = console()
    _print_header(out, path, name, document, text)
    if draw:
        for number, split in enumerate(splits, 1):
            print_split(out, split, number, len(splits))
        if not splits:
            out.print("no cut: nothing in this file makes a middle")
        return
    points = _points(document, kind)
    out.print(legend({each: len(found) for each, found in points.items()}, kind))
    if document.lines:
        out.print()
        print_file(out, document, points, ends=kind == "end")


def _read(path: Path) -> str:
    """The text of a file. Raises MidspanError if it is none."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise MidspanError(f"no file {path}") from None
    except IsADirectoryError:
        raise MidspanError(f"{path} is a folder", "add --report to cut all files in it") from None
    except OSError as error:
        raise MidspanError(f"cannot read {path}: {error.strerror}") from None
    if b"\0" in data:
        raise MidspanError(f"{path} is a binary file", "give a text file")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise MidspanError(f"{path} is not UTF-8 (byte {error.start})", "convert it to UTF-8") from None


def _points(document: Outline, kind: str) -> dict[CutKind, list[int]]:
    find = start_points if kind == "start" else end_points
    return {each: find(document, each) for each in CutKind}


def _as_json(path: Path, language: str, document: Outline, kind: str, splits: list[Split]) -> dict[str, object]:
    """Offsets are bytes of the UTF-8 text."""
    return {
        "path": str(path),
        "language": language,
        "bytes": len(document.source),
        "kind": kind,
        "points": _points(document, kind),
        "pieces": [asdict(piece) for piece in pieces(document)],
        "draws": [asdict(split) for split in splits],
    }


def _print_header(out: Console, path: Path, language: str, document: Outline, text: str) -> None:
    facts = [
        "no grammar for it: read by indentation" if language == NO_GRAMMAR else language,
        _count(len(text), "character"),
        _count(len(document.lines), "line") + " with text",
        _count(len(document.blocks), "block"),
        _count(len(document.arguments), "argument list"),
    ]
    out.print(Text(str(path), "bold"), soft_wrap=True)
    out.print(Text("; ".join(facts if text else ["empty file"]), "dim"))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _report(paths: list[Path], config: FimConfig, draws: int, seed: int, json_: bool) -> None:
    files, skipped = _files(paths)
    if not files:
        raise MidspanError("no file in a known language", "give files, or folders that hold source code")
    made = cut_report(files, config, draws, seed)
    if json_:
        typer.echo(json.dumps({**asdict(made), "skipped": skipped, "draws": draws, "seed": seed}))
        return
    _print_report(console(), made, draws, skipped)


def _files(paths: list[Path]) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """(path, text) of files named and of those in a known language in folders; what was skipped, by reason."""
    files: list[tuple[str, str]] = []
    skipped: Counter[str] = Counter()
    for path in paths:
        if not path.is_dir():
            files.append((path.name, _read(path)))
            continue
        tree = walk(path.resolve())
        skipped.update(tree.skipped.values())
        for name in sorted(tree.files):
            if language_of(name) is None:
                skipped["unknown language"] += 1
                continue
            try:
                files.append((name, _read(path / name)))
            except MidspanError:
                skipped["no text"] += 1
    return files, dict(sorted(skipped.items()))


def _print_report(out: Console, made: CutReport, draws: int, skipped: dict[str, int]) -> None:
    everything, whole = made.all, made.whole
    amounts = (
        _count(everything.files, "file"),
        _count(draws, "draw") + " of each",
        _count(everything.splits, "middle"),
    )
    out.print(Text(", ".join(amounts), "bold"))
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in skipped.items())
    if left_out:
        out.print(Text(f"not read: {left_out}", "dim"))
    groups = {
        "with a middle for every asked pair of kinds": whole.files,
        "with middles for some pairs only": everything.partial,
        "without any cut": everything.uncut,
    }
    for group, files in groups.items():
        out.print(Text(f"{files:>7,} {group} ({files / everything.files:.1%})"))
    if not everything.splits:
        return
    _print_kinds(out, whole, everything)
    _print_pieces(out, everything)
    _print_languages(out, made.languages)
    chance = 98 / math.sqrt(everything.splits)  # 1.96 standard errors of a share of one half, the widest one
    out.print(
        Text(
            "Attainable: what the files allow, since a file without blocks gives no block boundary. Differences are in"
            f" percentage points; chance alone moves a share over all files by up to {chance:.1f}.",
            "dim",
        )
    )


def _print_kinds(out: Console, whole: Drawn, everything: Drawn) -> None:
    """The kinds over the files where all are possible (if there are any), then over all files."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    table.add_column("asked", justify="right")
    if whole.splits:
        table.add_column("every kind\npossible: drawn", justify="right")
        table.add_column("difference", justify="right")
    for column in ("all files:\nattainable", "drawn", "difference"):
        table.add_column(column, justify="right")
    for name, of_all, of_whole in (("start", everything.starts, whole.starts), ("end", everything.ends, whole.ends)):
        for index, share in enumerate(of_all):
            cells = [f"{share.asked:.1%}"]
            if of_whole:
                cells += [f"{of_whole[index].drawn:.1%}", _difference(of_whole[index])]
            cells += [f"{share.attainable:.1%}", f"{share.drawn:.1%}", _difference(share)]
            is_last = index == len(of_all) - 1
            table.add_row(f"{name:6}{NAMES[CutKind(share.kind)]}", *cells, end_section=is_last and name == "start")
    out.print(table)


def _difference(share: KindShare) -> str:
    style = "green" if abs(share.difference) <= TOLERANCE else "yellow"
    return f"[{style}]{share.difference:+.1f}[/]"


def _print_pieces(out: Console, drawn: Drawn) -> None:
    units = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    units.add_column("unit")
    for unit in drawn.units:
        units.add_column(unit, justify="right")
    units.add_row("share", *(f"{share:.1%}" for share in drawn.units.values()))
    out.print(units)
    lengths = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    lengths.add_column("length")
    for share in QUANTILES:
        lengths.add_column("longest" if share == 1 else f"{share:.0%} up to", justify="right")
    lengths.add_row("characters", *(f"{value:,}" for value in drawn.chars))
    lengths.add_row("lines", *(f"{value:,}" for value in drawn.lines))
    out.print(lengths)


def _print_languages(out: Console, languages: tuple[Drawn, ...]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("language")
    for column in ("files", "some kinds only", "no cut", "middles", "largest difference", "from attainable"):
        table.add_column(column, justify="right")
    for drawn in languages:
        table.add_row(
            drawn.name,
            f"{drawn.files:,}",
            f"{drawn.partial:,}",
            f"{drawn.uncut:,}",
            f"{drawn.splits:,}",
            f"{drawn.largest_difference:.1f}",
            f"{drawn.largest_miss:.1f}",
        )
    out.print(table)
