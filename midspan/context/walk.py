"""Reading a source tree: every text file of it that belongs to the project, in the order of paths.

Links are never followed, so nothing outside the root is read and there are no cycles. What is left out for another
reason than an ignore rule is counted, so that a caller can say what it did not see.
"""

import os
from collections import Counter
from pathlib import Path

from midspan.context.ignore import IgnoreRules, always_ignored, read_rules
from midspan.errors import MidspanError

DEFAULT_MAX_BYTES = 1_000_000


def read_tree(root: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> tuple[dict[str, str], dict[str, int]]:
    """Texts by posix path relative to `root`, sorted, and how many entries were skipped for which reason.

    Reasons: "link", "too large" (above `max_bytes`), "binary" (a NUL byte), "not UTF-8" (name or text), "unreadable".
    MidspanError if `root` is not a directory.
    """
    if not root.is_dir():
        raise MidspanError(f"no such directory: {root}", "give the root folder of a project")
    texts: dict[str, str] = {}
    skipped: Counter[str] = Counter()
    # Each entry: directory, its path with "/" at the end ("" for the root), the rules that hold above it.
    pending: list[tuple[Path, str, IgnoreRules | None]] = [(root, "", None)]
    while pending:
        directory, base, above = pending.pop()
        try:
            rules = read_rules(directory, base, above)
            with os.scandir(directory) as scan:
                entries = list(scan)
        except OSError:
            skipped["unreadable"] += 1
            continue
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            path = base + entry.name + ("/" if is_folder else "")
            if always_ignored(entry.name, is_folder) or (rules is not None and rules.ignores(path)):
                continue
            if entry.is_symlink():
                skipped["link"] += 1
            elif not _is_text(entry.name):
                skipped["not UTF-8"] += 1
            elif is_folder:
                pending.append((Path(entry.path), path, rules))
            elif entry.is_file(follow_symlinks=False):
                text, reason = _read_text(entry, max_bytes)
                if reason:
                    skipped[reason] += 1
                else:
                    texts[path] = text
    return dict(sorted(texts.items())), dict(sorted(skipped.items()))


def _is_text(name: str) -> bool:
    """Whether a file name is free of the lone surrogates by which Python stands in for bytes that are not UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _read_text(entry: os.DirEntry[str], max_bytes: int) -> tuple[str, str]:
    """(text, "") of a file, or ("", the reason why it is skipped)."""
    try:
        if entry.stat(follow_symlinks=False).st_size > max_bytes:
            return "", "too large"
        data = Path(entry.path).read_bytes()
    except OSError:
        return "", "unreadable"
    if b"\0" in data:
        return "", "binary"
    try:
        return data.decode(), ""
    except UnicodeDecodeError:
        return "", "not UTF-8"
