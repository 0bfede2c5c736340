"""The files that one path of a recipe names: itself, those in a folder, or those of a glob."""

from collections.abc import Iterable
from glob import glob
from pathlib import Path

from midspan.errors import MidspanError


def suffix_of(name: str, suffixes: Iterable[str]) -> str:
    """The first of `suffixes` that a name ends with, "" if there is none; case does not count."""
    return next((suffix for suffix in suffixes if name.lower().endswith(suffix)), "")


def files_at(pattern: str, suffixes: Iterable[str]) -> list[Path]:
    """The plain files with one of the suffixes, sorted. Raises MidspanError if there is none."""
    known = list(suffixes)
    path = Path(pattern).expanduser()
    if path.is_dir():
        found = list(path.iterdir())
    elif path.exists():
        found = [path]
    else:
        found = [Path(each) for each in glob(str(path), recursive=True)]  # noqa: PTH207  (Path.glob takes no root)
    files = sorted(each for each in found if suffix_of(each.name, known) and each.is_file() and not each.is_symlink())
    if not files:
        raise MidspanError(f"there is no file {', '.join(known)} at {pattern}", "correct the path in [[data.sources]]")
    return files
