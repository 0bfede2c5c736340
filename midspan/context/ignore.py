"""Which paths of a source tree are not part of the project: ignore files, and folders that tools make.

`.gitignore` means what it means to git, in every directory and without git being there; `.midspanignore` has the same
syntax and comes after it, so it can take more away or bring something back. Hidden files and folders (`.git`, `.venv`,
`.env`, ...) never belong to the project. Not read: git's rules outside the root (`.git/info/exclude`, parents).
"""

import re
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

IGNORE_FILES = (".gitignore", ".midspanignore")
TOOL_FOLDERS = frozenset({"node_modules", "bower_components", "__pycache__", "__pypackages__", "venv", "virtualenv"})


@dataclass(frozen=True)
class IgnoreRules:
    """The rules of one directory and of those above it; `base` is "" for the root, else ends with "/"."""

    base: str
    spec: GitIgnoreSpec
    parent: "IgnoreRules | None"

    def ignores(self, path: str) -> bool:
        """Whether `path`, relative to the root and with "/" at the end of a folder, is ignored; deeper rules win."""
        rules: IgnoreRules | None = self
        while rules is not None:
            decision = rules.spec.check_file(path.removeprefix(rules.base)).include
            if decision is not None:
                return decision
            rules = rules.parent
        return False


def always_ignored(name: str, is_folder: bool) -> bool:
    """Whether an entry of this name is left out whatever the ignore files say."""
    return name.startswith(".") or (is_folder and name in TOOL_FOLDERS)


def read_rules(directory: Path, base: str, parent: IgnoreRules | None) -> IgnoreRules | None:
    """Rules of `directory` on top of `parent`'s; `parent` itself if it has no ignore file."""
    lines: list[str] = []
    for name in IGNORE_FILES:
        file = directory / name
        if file.is_file() and not file.is_symlink():
            lines += file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    lines = [line for line in lines if _is_valid(line)]
    return IgnoreRules(base, GitIgnoreSpec.from_lines(lines), parent) if lines else parent


def _is_valid(line: str) -> bool:
    """Whether pathspec can read the pattern; git passes over those that mean nothing, such as a lone "!"."""
    try:
        GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return True
