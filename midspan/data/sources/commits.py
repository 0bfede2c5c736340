"""Commits of a git repository as pairs of a file before and after a change, each with its message.

In the manner of CommitPack and CommitPackFT (OctoPack, arXiv 2308.07124): commits that change one file and nothing
else, no merges, no messages that say nothing. Nothing is read here but the history.

Cost: one `git log`, which compares the trees of neighbouring commits.
"""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from midspan.data.sources.git import command, environment, open_revision
from midspan.data.sources.project import is_utf8
from midspan.recipe.sources import CommitsSource
from midspan.syntax.languages import language_of

MESSAGE_CHARS = (10, 1_000)
MESSAGE_WORDS = 4
"""Bounds of messages. Shorter ones say nothing; longer ones describe more than one file shows."""
_NOISE = re.compile(
    r"merge\b|revert\b|bump\b|release\b|version\b|update[sd]? (?:\S+ )?\S+\.(?:md|rst|txt|json|ya?ml|html)$"
    r"|initial commit|first commit|add files via upload|.*\[skip ci\]",
    re.IGNORECASE,
)
"""Beginnings of messages that describe no change of code."""
_HEADER = re.compile(rb"\x01([0-9a-f]{40,64})\x02(.*)\x03\Z", re.DOTALL)
_CHANGE = re.compile(rb"\n?:(\d{6}) (\d{6}) ([0-9a-f]+) ([0-9a-f]+) ([A-Z])\d*\Z")
_PLAIN_FILES = (b"100644", b"100755")
CHUNK = 1_000_000


@dataclass(frozen=True)
class Change:
    """One file before and after one commit; `before` and `after` are the ids of its contents."""

    commit: str
    message: str
    path: str
    language: str
    before: str
    after: str


def changes(source: CommitsSource, skipped: Counter[str]) -> tuple[Path, str, Iterator[Change]]:
    """(The repository, the commit its history is read from, the changes, newest first); others are counted.

    Raises MidspanError if repository or revision cannot be had.
    """
    repository, commit = open_revision(source.url, source.revision, history=True)
    return repository, commit, _chosen(repository, commit, skipped)


def _chosen(repository: Path, tip: str, skipped: Counter[str]) -> Iterator[Change]:
    for commit, message, changed in _history(repository, tip):
        if len(changed) != 1:
            skipped["not_one_file"] += 1
            continue
        before_mode, after_mode, before, after, status, name = changed[0]
        path = name.decode("utf-8", errors="surrogateescape")
        language = language_of(path)
        text = message.decode("utf-8", errors="replace").strip()
        if status != b"M" or before_mode not in _PLAIN_FILES or after_mode not in _PLAIN_FILES:
            skipped["no_change_of_a_file"] += 1
        elif language is None or not is_utf8(path):
            skipped["unknown_language"] += 1
        elif not says_something(text):
            skipped["message"] += 1
        else:
            yield Change(commit.decode(), text, path, language.name, before.decode(), after.decode())


def says_something(message: str) -> bool:
    """Whether a commit's message may tell what its change does."""
    low, high = MESSAGE_CHARS
    long_enough = low <= len(message) <= high and len(message.split()) >= MESSAGE_WORDS
    return long_enough and "\0" not in message and _NOISE.match(message) is None


Changed = tuple[bytes, bytes, bytes, bytes, bytes, bytes]


def _history(repository: Path, tip: str) -> Iterator[tuple[bytes, bytes, list[Changed]]]:
    """(Commit, message, changes) of every commit that is no merge; a change is modes, contents, status and path."""
    arguments = ("log", "-z", "--raw", "--no-abbrev", "--no-renames", "--no-merges", "--format=%x01%H%x02%B%x03", tip)
    commit, message, changed = b"", b"", list[Changed]()
    fields = fields_of(repository, arguments)
    for field in fields:
        if header := _HEADER.match(field.lstrip(b"\n")):
            if commit:
                yield commit, message, changed
            commit, message, changed = header[1], header[2], []
        elif change := _CHANGE.match(field):
            before_mode, after_mode, before, after, status = change.groups()
            changed.append((before_mode, after_mode, before, after, status, next(fields, b"")))
    if commit:
        yield commit, message, changed


def fields_of(repository: Path, arguments: tuple[str, ...]) -> Iterator[bytes]:
    """What a command of git prints, cut at its NULs, as it comes."""
    with subprocess.Popen(
        command(repository, *arguments),
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout
        rest = b""
        while chunk := process.stdout.read(CHUNK):
            *whole, rest = (rest + chunk).split(b"\0")
            yield from whole
        if rest:
            yield rest
