"""Which paths of a source tree are not part of the project: ignore files, and folders that tools make.

The rules are git's, read without git: `.gitignore` of every directory, those of the directories between the root and
the top of the repository it lies in, `.git/info/exclude`, and the user's own excludes file, the nearest rule first.
`.midspanignore` has the same syntax and comes before all of them, so it can take more away or bring something back.
Patterns mean what gitignore(5) says and what git's matcher does (wildmatch: bytes, not characters).

Known differences from `git ls-files --cached --others --exclude-standard`: hidden files and folders (`.git`, `.venv`,
`.env`, ...) and folders of tools never belong to the project; a tracked file that a rule ignores is left out, for git's
index is not read; letter case always counts, whatever `core.ignoreCase` says; files of a nested repository belong to
the project, and the rules above it hold in it. If the root itself is ignored by the repository around it, whoever
chose it wants its files: then no rule from above holds.
"""

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from midspan.context.plain_file import read_plain_file

GIT_IGNORE, OWN_IGNORE = b".gitignore", b".midspanignore"
IGNORE_FILES = (GIT_IGNORE, OWN_IGNORE)
TOOL_FOLDERS = frozenset(
    {b"node_modules", b"bower_components", b"__pycache__", b"__pypackages__", b"venv", b"virtualenv"}
)
MAX_IGNORE_BYTES = 1_000_000
"""Ignore files are cut here: nobody writes longer ones, and compiling them takes time."""

_CLASSES = {
    b"alnum": re.compile(rb"[0-9A-Za-z]"),
    b"alpha": re.compile(rb"[A-Za-z]"),
    b"blank": re.compile(rb"[ \t]"),
    b"cntrl": re.compile(rb"[\x00-\x1f\x7f]"),
    b"digit": re.compile(rb"[0-9]"),
    b"graph": re.compile(rb"[!-~]"),
    b"lower": re.compile(rb"[a-z]"),
    b"print": re.compile(rb"[ -~]"),
    b"punct": re.compile(rb"[!-/:-@\[-`{-~]"),
    b"space": re.compile(rb"[ \t\n\r]"),
    b"upper": re.compile(rb"[A-Z]"),
    b"xdigit": re.compile(rb"[0-9A-Fa-f]"),
}
_SPECIAL = re.compile(rb"[*?\[\\]")


@dataclass(frozen=True)
class Pattern:
    """One line of an ignore file. `literal` is what it equals, None if it has wildcards: then `regex` is to match."""

    literal: bytes | None
    regex: bytes
    by_name: bool  # compared with the last part of the path, else with the path below the file's directory
    folders_only: bool
    ignores: bool


class Patterns:
    """The lines of one ignore file. Most paths match none of them, so that question is asked first, at once."""

    def __init__(self, patterns: list[Pattern]) -> None:
        self._latest_first = [
            (pattern, re.compile(pattern.regex, re.DOTALL).fullmatch) for pattern in reversed(patterns)
        ]
        self._names = frozenset(each.literal for each in patterns if each.by_name and each.literal is not None)
        self._paths = frozenset(each.literal for each in patterns if not each.by_name and each.literal is not None)
        self._name = _any_of([each.regex for each in patterns if each.by_name and each.literal is None])
        self._path = _any_of([each.regex for each in patterns if not each.by_name and each.literal is None])

    def decide(self, path: bytes, name: bytes, is_folder: bool) -> bool | None:
        """Whether the path, relative to the directory of the file, is ignored; None if no line speaks of it."""
        if not (
            name in self._names
            or path in self._paths
            or (self._name is not None and self._name.fullmatch(name))
            or (self._path is not None and self._path.fullmatch(path))
        ):
            return None
        for pattern, fullmatch in self._latest_first:
            if (is_folder or not pattern.folders_only) and fullmatch(name if pattern.by_name else path):
                return pattern.ignores
        return None


@dataclass(frozen=True)
class Rules:
    """An ignore file and those that count after it. Paths are relative to the top; `skip` leads to the file's own."""

    patterns: Patterns
    skip: int
    above: "Rules | None"


@dataclass(frozen=True)
class IgnoreRules:
    """The rules that hold in one directory: Midspan's own, then git's."""

    own: Rules | None = None
    git: Rules | None = None

    def ignores(self, path: bytes, name: bytes, is_folder: bool) -> bool:
        """Whether an entry called `name`, at `path` from the top, is ignored."""
        for rules in (self.own, self.git):
            while rules is not None:
                decision = rules.patterns.decide(path[rules.skip :], name, is_folder)
                if decision is not None:
                    return decision
                rules = rules.above
        return False

    def enter(self, directory: bytes, path: bytes, present: tuple[bytes, ...] = IGNORE_FILES) -> "IgnoreRules":
        """The rules below `directory`, which is at `path` from the top ("" or ending with "/").

        `present` are the ignore files worth trying to open.
        """
        own, git = self.own, self.git
        if OWN_IGNORE in present:
            own = _add(directory + b"/" + OWN_IGNORE, len(path), own)
        if GIT_IGNORE in present:
            git = _add(directory + b"/" + GIT_IGNORE, len(path), git)
        return self if own is self.own and git is self.git else IgnoreRules(own, git)


def always_ignored(name: bytes, is_folder: bool) -> bool:
    """Whether an entry of this name is left out whatever the ignore files say."""
    return name.startswith(b".") or (is_folder and name in TOOL_FOLDERS)


def rules_above(root: Path) -> tuple[bytes, IgnoreRules]:
    """Where `root` (absolute, free of links) lies from the top, "" or ending with "/", and the rules from above it.

    The top is the nearest directory from the root upwards that holds `.git`; the root itself if there is none.
    """
    top = next((folder for folder in (root, *root.parents) if os.path.lexists(folder / ".git")), root)
    parts = [os.fsencode(part) for part in root.relative_to(top).parts]
    user = _add(os.fsencode(_user_excludes()), 0, None)
    repository = _add(os.fsencode(_git_directory(top) / "info" / "exclude"), 0, user)
    rules, path, directory = IgnoreRules(None, repository), b"", os.fsencode(top)
    for part in parts:
        rules = rules.enter(directory, path)
        if rules.ignores(path + part, part, is_folder=True):
            return b"", IgnoreRules(None, user)
        path, directory = path + part + b"/", directory + b"/" + part
    return path, rules


def _add(file: bytes, skip: int, above: Rules | None) -> Rules | None:
    """The patterns of an ignore file on top of `above`; links and whatever else is no plain file count as absent."""
    try:
        patterns = parse(read_plain_file(*os.path.split(file), MAX_IGNORE_BYTES)[1])
    except (OSError, ValueError):
        return above
    return Rules(patterns, skip, above) if patterns else above


@lru_cache(maxsize=512)
def parse(content: bytes) -> Patterns | None:
    """The patterns of an ignore file, None if it has none that could match anything."""
    patterns = []
    for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        pattern = None if line.startswith(b"#") else _parse_line(line.removesuffix(b"\r").partition(b"\0")[0])
        if pattern is not None:
            patterns.append(pattern)
    return Patterns(patterns) if patterns else None


def _parse_line(line: bytes) -> Pattern | None:
    line = _without_trailing_spaces(line)
    ignores = not line.startswith(b"!")
    line = line.removeprefix(b"!")
    folders_only = line.endswith(b"/")
    line = line.removesuffix(b"/")
    by_name = b"/" not in line
    line = line.removeprefix(b"/")
    special = _SPECIAL.search(line)
    if special is None:
        return Pattern(line, re.escape(line), by_name, folders_only, ignores) if line else None
    # Git compares what stands before the first wildcard as it is, then matches the rest as if the pattern began there.
    literal, glob = line[: special.start()], _translate(line[special.start() :])
    return None if glob is None else Pattern(None, re.escape(literal) + glob, by_name, folders_only, ignores)


def _without_trailing_spaces(line: bytes) -> bytes:
    """Spaces at the end do not count unless a backslash stands before them."""
    end = len(line.rstrip(b" "))
    backslashes = end - len(line[:end].rstrip(b"\\"))
    return line[: end + 1] if backslashes % 2 else line[:end]


def _any_of(regexes: list[bytes]) -> re.Pattern[bytes] | None:
    return re.compile(b"|".join(b"(?:" + regex + b")" for regex in regexes), re.DOTALL) if regexes else None


def _translate(glob: bytes) -> bytes | None:
    """A regular expression for a glob over bytes, None if it can match nothing (an open bracket, a last backslash).

    A wildcard is cut off from backtracking as soon as what follows it has matched, since the next wildcard can take
    whatever an earlier match leaves over. So hostile patterns such as `*a*a*a*a*b` cost no more than harmless ones.
    """
    # Runs of things that match one byte each, and between them the wildcards before the second, third, ... run.
    runs: list[bytes] = [b""]
    wildcards: list[str] = []
    at = 0
    while at < len(glob):
        character = glob[at : at + 1]
        if character == b"*":
            start = at
            while glob[at : at + 1] == b"*":
                at += 1
            between = start == 0 or glob[start - 1 : start] == b"/"
            if at - start < 2 or not between or (at < len(glob) and glob[at : at + 1] not in (b"/", b"\\")):
                wildcards.append("star")
            elif at == len(glob) or glob[at : at + 2] == b"\\/":
                wildcards.append("any")
            elif glob[at : at + 1] == b"/":
                wildcards.append("folders")
                at += 1
            else:
                wildcards.append("star")
            runs.append(b"")
            continue
        if character == b"[":
            members, at = _read_class(glob, at + 1)
            if members is None:
                return None
            runs[-1] += members
            continue
        if character == b"\\":
            at += 1
            if at == len(glob):
                return None
            character = glob[at : at + 1]
        elif character == b"?":
            runs[-1] += b"[^/]"
            at += 1
            continue
        runs[-1] += re.escape(character)
        at += 1
    return _assemble(runs, wildcards)


def _assemble(runs: list[bytes], wildcards: list[str]) -> bytes:
    # A section reaches from one wildcard that crosses "/" to the next; the stars are inside sections.
    sections = [runs[0]]
    last = len(wildcards) - 1
    for index, (wildcard, run) in enumerate(zip(wildcards, runs[1:], strict=True)):
        if wildcard == "star":
            sections[-1] += b"[^/]*" + run if index == last else b"(?>[^/]*?" + run + b")"
        else:
            sections.append((b".*?" if wildcard == "any" else b"(?:.*?/)??") + run)
    middle = [b"(?>" + section + b")" for section in sections[1:-1]]
    return b"".join([sections[0], *middle, *sections[1:][-1:]])


def _read_class(glob: bytes, at: int) -> tuple[bytes | None, int]:
    """The bracket expression whose inside begins at `at`, as a regular expression, and where it ends.

    None if it is never closed or names an unknown class. The rules are those of git's wildmatch.
    """
    negated = glob[at : at + 1] in (b"!", b"^")
    at += negated
    members: set[int] = set()
    previous, first = -1, True
    while first or glob[at : at + 1] != b"]":
        first = False
        if at >= len(glob):
            return None, at
        character = glob[at]
        if character == ord("-") and previous >= 0 and at + 1 < len(glob) and glob[at + 1] != ord("]"):
            at += 2 if glob[at + 1] == ord("\\") else 1
            if at >= len(glob):
                return None, at
            members.update(range(previous, glob[at] + 1))
            previous = -1
        elif character == ord("[") and glob[at + 1 : at + 2] == b":":
            end = glob.find(b"]", at + 2)
            if end < 0:
                return None, at
            if end == at + 2 or glob[end - 1] != ord(":"):
                members.add(character)
                previous = character
            else:
                name = _CLASSES.get(glob[at + 2 : end - 1])
                if name is None:
                    return None, at
                members.update(byte for byte in range(256) if name.match(bytes([byte])))
                at, previous = end, -1
        else:
            if character == ord("\\"):
                at += 1
                if at >= len(glob):
                    return None, at
            members.add(glob[at])
            previous = glob[at]
        at += 1
    chosen = (set(range(256)) - members if negated else members) - {ord("/")}
    return (b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(chosen)) + b"]" if chosen else b"(?!)"), at + 1


def _git_directory(top: Path) -> Path:
    """Where git keeps what all working trees of the repository share; `.git` is a file in a worktree or submodule."""
    directory = top / ".git"
    try:
        if directory.is_file():
            directory = top / directory.read_text().strip().removeprefix("gitdir:").strip()
            common = directory / "commondir"
            if common.is_file():
                directory /= common.read_text().strip()
    except (OSError, ValueError):
        pass
    return directory


def _user_excludes() -> Path:
    """`core.excludesFile` of the user's git configuration, or git's default for it."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  (Path.home raises where there is none)
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "git"
    chosen = ""
    for file in (settings / "config", home / ".gitconfig"):
        try:
            chosen = _excludes_file(file.read_text(errors="replace")) or chosen
        except OSError:
            continue
    return Path(os.path.expanduser(chosen)) if chosen else settings / "ignore"  # noqa: PTH111


def _excludes_file(config: str) -> str:
    section, found = "", ""
    for line in config.splitlines():
        if match := re.match(r'\s*\[\s*([^\]\s"]+)\s*("[^"]*")?\s*\]', line):
            section = match[1].lower() + (match[2] or "")
        elif section == "core" and (match := re.match(r"\s*excludesfile\s*=\s*(.*)", line, re.IGNORECASE)):
            found = match[1].strip().strip('"')
    return found
