"""Opt-out: a list of owners, projects, addresses, paths and contents that must not be in a corpus.

One entry per line; `#` starts a comment. The removal lists of The Stack (one `owner/repo` a line) are such files.

    owner/repo                  a project by its name, or by an address that ends so
    owner/*                     everything of an owner
    https://host/owner/repo     whatever comes from this address or from below it
    path:GLOB                   files by `project/path` or by `path`; `*` matches `/` too
    <64 hex digits>             SHA-256 of the file's bytes or of its text in the corpus
    <40 hex digits>             the file's git blob, as Software Heritage and The Stack v2 name contents

Names and addresses are compared without regard to case. What is listed by name is never read, what is listed by content
never leaves the reader: after a build no byte of it is in the kept parts, the corpus or the samples of dropped files.
"""

import fnmatch
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from midspan.errors import MidspanError

REASON = "opt_out"

_HASH = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")
_SCHEME = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//(?:[^/@]*@)?|^git@", re.IGNORECASE)
_NUMBERED = re.compile(r"#[0-9]+$")


@dataclass(frozen=True)
class OptOut:
    """What the entries of a list refuse."""

    names: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    globs: frozenset[str] = frozenset()
    hashes: frozenset[str] = frozenset()

    def refuses_project(self, name: str, address: str) -> bool:
        """Whether a project may not be read; `address` is where it comes from, "" if that is nowhere."""
        names = {_NUMBERED.sub("", name).lower()}
        place = _place(address)
        if "/" in place:
            names.add("/".join(place.split("/")[-2:]))
        owners = {each.partition("/")[0] for each in names if "/" in each}
        if self.names & names or self.owners & owners:
            return True
        return any(place == each or place.startswith(f"{each}/") for each in self.addresses)

    def refuses_path(self, project: str, path: str) -> bool:
        """Whether one file of a project may not be read."""
        pattern = self._paths
        return pattern is not None and bool(pattern.match(path) or pattern.match(f"{project}/{path}"))

    def refuses_content(self, content: bytes) -> bool:
        """Whether these bytes are listed by their hash."""
        if not self.hashes:
            return False
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        return blob in self.hashes or hashlib.sha256(content).hexdigest() in self.hashes

    @cached_property
    def _paths(self) -> re.Pattern[str] | None:
        return re.compile("|".join(map(fnmatch.translate, sorted(self.globs)))) if self.globs else None


def read_opt_out(path: str | None) -> OptOut:
    """The list in the file `path`, an empty one for None. Raises MidspanError for what cannot be read."""
    if path is None:
        return OptOut()
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MidspanError(f"data.opt_out: cannot read {path}: {error}", "name a text file, one entry a line") from None
    names: set[str] = set()
    owners: set[str] = set()
    addresses: set[str] = set()
    globs: set[str] = set()
    hashes: set[str] = set()
    for number, line in enumerate(lines, start=1):
        entry = re.sub(r"(^|\s)#.*", "", line).strip()
        lower = entry.lower().removeprefix("sha256:")
        if not entry:
            continue
        if _HASH.fullmatch(lower):
            hashes.add(lower)
        elif entry.startswith("path:"):
            globs.add(entry.removeprefix("path:").strip())
        elif re.search(r"\s", entry):
            raise MidspanError(
                f"{path}:{number}: an entry has no spaces", "owner/repo, owner/*, an address, path:GLOB or a hash"
            )
        elif "://" in entry or entry.startswith("git@"):
            addresses.add(_place(entry))
        elif entry.endswith("/*"):
            owners.add(lower.removesuffix("/*"))
        else:
            names.add(lower)
    return OptOut(*map(frozenset, (names, owners, addresses, globs, hashes)))


def _place(address: str) -> str:
    """An address without scheme, user, `.git` and trailing slash, in lower case: `host/owner/repo`."""
    place = _SCHEME.sub("", address.partition("#")[0].removeprefix("git:"))
    if address.startswith("git@"):
        place = place.replace(":", "/", 1)
    return place.rstrip("/").removesuffix(".git").lower()
