"""`midspan index`: bring the index of a project up to date and say what is in it."""

import json
import time
from collections import Counter
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import typer

from midspan.cli.options import JsonOption
from midspan.context.database import remove_database
from midspan.context.index import Index
from midspan.context.store import database_of
from midspan.errors import MidspanError
from midspan.syntax.languages import language_of


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("index", rich_help_panel="Inspect")(_index)


def _index(
    root: Annotated[Path, typer.Argument(metavar="[ROOT]", help="The project. Default: this directory.")] = Path(),
    clear: Annotated[bool, typer.Option("--clear", help="Remove the cached index instead.")] = False,
    json_: JsonOption = False,
) -> None:
    """Index a project, as the editor would, and show what belongs to it and what was skipped.

    The index is kept in $MIDSPAN_CACHE, or in the user's cache directory.
    """
    if clear:
        _clear(root)
        return
    started = time.perf_counter()
    with closing(Index.open(root)) as index:
        facts = _facts(index, time.perf_counter() - started)
    if json_:
        typer.echo(json.dumps(facts))
        return
    typer.echo(f"{facts['root']}: {facts['files']:,} files, {facts['bytes']:,} bytes")
    for name, count in facts["languages"].items():
        typer.echo(f"  {count:7,} {name}")
    for reason, count in facts["skipped"].items():
        typer.echo(f"  {count:7,} skipped: {reason}")
    place = f"{facts['disk_bytes']:,} bytes in {facts['database']}" if facts["database"] else "in memory"
    typer.echo(f"{facts['read']:,} files read in {facts['seconds']:.2f} s; kept: {place}")


def _facts(index: Index, seconds: float) -> dict[str, Any]:
    languages = Counter(_language(path) for path in index.project.files)
    database = index.store.database
    return {
        "root": str(index.root),
        "files": len(index.project.files),
        "bytes": index.total_bytes,
        "languages": dict(sorted(languages.items(), key=lambda each: (-each[1], each[0]))),
        "skipped": dict(index.project.skipped),
        "read": index.read_files,
        "seconds": round(seconds, 3),
        "database": str(database.path) if database.path else None,
        "disk_bytes": database.disk_bytes,
    }


def _language(path: str) -> str:
    """The language of a file, else its ending."""
    language = language_of(path)
    ending = PurePosixPath(path).suffix or "no ending"
    return language.name if language else ending if ending.isprintable() else repr(ending)


def _clear(root: Path) -> None:
    database = database_of(root.resolve())
    try:
        found = database.exists()
        remove_database(database)
    except OSError as error:
        raise MidspanError(f"cannot remove {database}: {error.strerror}") from None
    typer.echo(f"removed {database}" if found else f"there is no index of {root.resolve()}")
