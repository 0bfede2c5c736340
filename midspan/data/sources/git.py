"""Git repositories as sources: one revision of each, read from the objects of the repository without a work tree.

A path is read where it is; a URL is fetched into a bare mirror in Midspan's cache, without history, and again at every
build unless the revision is a commit that is there. A mirror that cannot be brought up to date, because the network is
away, is used as it is. The commit is the revision of the project, so nothing that happens to the repository meanwhile
changes what is read. Files that are checked in belong to the project whatever ignore files say; links and submodules
are not followed.

What a repository says must not run here: no hooks, no filters, no checkout, no questions for credentials, no lazy
fetching, and no transport but the usual ones.

Cost: listing is one `ls-tree`; reading about 50 MB/s through one `cat-file --batch` per part.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from midspan.context.ignore import always_ignored
from midspan.context.store import default_cache
from midspan.data.sources.project import Broken, Listed, Location, SourceProject, Unread, is_utf8, sort_files
from midspan.errors import MidspanError
from midspan.recipe.sources import GitSource

TRANSPORTS = "file:git:http:https:ssh"
FETCH_SECONDS = 3_600
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+:")
_USER = re.compile(r"(?<=://)[^/@]*@")
_SETTINGS = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.askPass=", "gc.auto=0", "safe.directory=*")


def git_projects(source: GitSource) -> Iterator[SourceProject | Broken]:
    """The one project of a repository. Raises MidspanError if repository or revision cannot be had."""
    repository, commit = open_revision(source.url, source.revision)
    skipped: Counter[str] = Counter()
    files, texts = sort_files(tree_of(repository, commit, skipped), skipped)
    if not files:
        raise MidspanError(
            f"{source.url} holds no file in a known language", "point the source at a repository of code"
        )
    address = address_of(source.url, repository)
    yield SourceProject(
        project_name(source.url), f"git:{plain(source.url)}", commit, files, texts, url=address, skipped=skipped
    )


def open_revision(url: str, revision: str, history: bool = False) -> tuple[Path, str]:
    """(The git directory that holds it, the commit that `revision` names); `history` asks for its ancestors as well."""
    repository = _mirror(url, revision, history) if is_remote(url) else _local(url)
    name = _fetched(revision) if is_remote(url) and not _COMMIT.fullmatch(revision) else revision
    answer = run(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if answer.returncode:
        raise MidspanError(f"{plain(url)} has no revision {revision}", "name a branch, a tag or a commit")
    return repository, answer.stdout.decode().strip()


def is_remote(url: str) -> bool:
    """Whether a repository is to be fetched; else it is a path."""
    return _REMOTE.match(url) is not None


def plain(url: str) -> str:
    """A URL without the user it names, which may be a token."""
    return _USER.sub("", url)


def project_name(url: str) -> str:
    """`owner/name` of a remote repository, the name of the folder of a local one."""
    if not is_remote(url):
        return Path(url).expanduser().resolve().name.removesuffix(".git")
    parts = [part for part in re.split(r"[/:]", plain(url).partition("://")[2] or url) if part]
    return "/".join(parts[1:][-2:]).removesuffix(".git") or parts[0]


def address_of(url: str, repository: Path) -> str:
    """Where the repository can be found by others: its URL, or that of the remote it was cloned from; "" if unknown."""
    if is_remote(url):
        return plain(url)
    origin = run(repository, "config", "--get", "remote.origin.url").stdout.decode(errors="replace").strip()
    return plain(origin) if is_remote(origin) else ""


def run(repository: Path, *arguments: str, timeout: float | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run git on a repository, and nothing of what the repository's configuration names. MidspanError without git."""
    try:
        return subprocess.run(
            command(repository, *arguments),
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise MidspanError("git is not installed", "install git, or take the source away") from None


def command(repository: Path, *arguments: str) -> list[str]:
    """The command line of git for one repository."""
    settings = [part for setting in _SETTINGS for part in ("-c", setting)]
    return ["git", f"--git-dir={repository}", *settings, *arguments]


def environment(transports: str = "none") -> dict[str, str]:
    """The variables git runs with: those of the user, less what points at another repository; nothing is fetched."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return inherited | {
        "GIT_ALLOW_PROTOCOL": transports,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "LC_ALL": "C",
    }


def _local(path: str) -> Path:
    """The git directory of the repository at `path`: itself if it is bare, else what its `.git` is or points at."""
    folder = Path(path).expanduser().absolute()
    if not folder.is_dir():
        raise MidspanError(f"there is no folder {path}", "correct the path in [[data.sources]]")
    git = folder / ".git"
    try:
        if git.is_file():
            git = folder / git.read_text(encoding="utf-8").strip().removeprefix("gitdir:").strip()
    except (OSError, UnicodeDecodeError):
        pass
    repository = git if git.is_dir() else folder
    if run(repository, "rev-parse", "--git-dir").returncode:
        raise MidspanError(f"{path} is not a git repository", 'use kind = "folder" for plain folders')
    return repository


def _fetched(revision: str) -> str:
    """The reference in a mirror under which a revision was fetched."""
    return f"refs/midspan/{hashlib.sha256(revision.encode()).hexdigest()[:16]}"


def _mirror(url: str, revision: str, history: bool) -> Path:
    """The bare mirror of a URL, with `revision` fetched into it."""
    kind = "history" if history else "tree"
    name = f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{kind}.git"
    mirror = default_cache() / "git" / name
    if not (mirror / "HEAD").exists():
        shutil.rmtree(mirror, ignore_errors=True)
        mirror.mkdir(parents=True)
        run(mirror, "init", "--bare", "--quiet", str(mirror))
    is_commit = _COMMIT.fullmatch(revision) is not None
    if is_commit and run(mirror, "cat-file", "-e", f"{revision}^{{commit}}").returncode == 0:
        return mirror
    depth = () if history else ("--depth=1",)
    wanted = f"+{revision}:{_fetched(revision)}"
    failure = _fetch(mirror, url, *depth, wanted)
    if failure and is_commit:  # a server may refuse to give a commit that is not the tip of a branch
        failure = _fetch(mirror, url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
    known = run(mirror, "rev-parse", "--verify", "--quiet", _fetched(revision)).returncode == 0
    if failure and not known:
        raise MidspanError(
            f"cannot fetch {revision} of {plain(url)}: {failure}", "check the URL, the revision, the network"
        )
    return mirror


def _fetch(mirror: Path, url: str, *arguments: str) -> str:
    """Fetch into a mirror; why it failed, in one line, "" if it did not."""
    options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance")
    try:
        answer = subprocess.run(
            command(mirror, "fetch", *options, *(each for each in arguments if each.startswith("--")), "--", url)
            + [each for each in arguments if not each.startswith("--")],
            env=environment(TRANSPORTS),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=FETCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {FETCH_SECONDS} s"
    lines = plain(answer.stderr.decode(errors="replace")).strip().splitlines()
    return "" if answer.returncode == 0 else (lines[-1] if lines else f"git exits with {answer.returncode}")


def tree_of(repository: Path, commit: str, skipped: Counter[str]) -> Iterator[Listed]:
    """The files of a commit; what is left out is counted."""
    answer = run(repository, "ls-tree", "-r", "-z", "-l", "--full-tree", commit)
    if answer.returncode:
        raise MidspanError(f"the tree of commit {commit} in {repository} cannot be read", "check it with git fsck")
    for record in answer.stdout.split(b"\0"):
        if not record:
            continue
        about, _, name = record.partition(b"\t")
        mode, kind, blob, size = about.split()
        *folders, last = name.split(b"/")
        if any(always_ignored(folder, True) for folder in folders) or always_ignored(last, False):
            continue
        path = os.fsdecode(name)
        if kind == b"commit":
            skipped["submodule"] += 1
        elif mode == b"120000":
            skipped["link"] += 1
        elif not is_utf8(path):
            skipped["name_not_utf8"] += 1
        elif size == b"-":
            skipped["missing"] += 1
        else:
            yield Listed(path, Location(str(repository), blob.decode(), "git"), int(size))


def read_blobs(repository: str, wanted: Sequence[tuple[Location, int]]) -> Iterator[bytes | Unread]:
    """The blobs named, in order, unless they are larger than the number beside them."""
    try:
        process = subprocess.Popen(
            command(Path(repository), "cat-file", "--batch"),
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        yield from (Unread("unreadable") for _ in wanted)
        return
    with process:
        assert process.stdin and process.stdout
        for location, limit in wanted:
            try:
                process.stdin.write(f"{location.member}\n".encode())
                process.stdin.flush()
                header = process.stdout.readline().split()
                if len(header) != 3:  # "<id> missing", or nothing from a process that is gone
                    yield Unread("unreadable")
                    continue
                content = process.stdout.read(int(header[2]) + 1)[:-1]
            except (OSError, ValueError):
                yield Unread("unreadable")
                continue
            whole = header[1] == b"blob" and len(content) == int(header[2])
            yield Unread("unreadable") if not whole else Unread("too_large") if len(content) > limit else content
