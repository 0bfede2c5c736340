"""What belongs to a project; git itself is the oracle for ignore rules."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from midspan.context.ignore import parse
from midspan.context.walk import Absent, Stamp, look, walk
from midspan.errors import MidspanError

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is the oracle")
Files = dict[str, str | bytes]


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without settings."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_CONFIG_GLOBAL"):
        monkeypatch.delenv(name, raising=False)
    return home


def write(root: Path, files: Files) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def found(root: Path, files: Files | None = None) -> list[str]:
    """The paths of a walk; every one of them, and no ignored one, is found alone as well."""
    tree = walk(write(root, files or {}).resolve())
    for folder, _, names in os.walk(root):
        for name in names:
            path = (Path(folder) / name).relative_to(root).as_posix()
            assert isinstance(look(root.resolve(), path), Stamp) == (path in tree.files), path
    return sorted(tree.files)


def git(root: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True).stdout


def listed(root: Path) -> list[str]:
    """What git would track, but for hidden files."""
    names = git(root, "ls-files", "--cached", "--others", "--exclude-standard", "-z").decode().split("\0")
    return sorted(name for name in names if name and not any(part.startswith(".") for part in name.split("/")))


# Names chosen so that every special character of a pattern can also be meant as it is.
NAMES = ["a", "b", "ab", "ba", "aab", "a b", "a ", "#a", "!a", "[a]", "a]", "-", "a-b", "A", "é", "a\\b", "*", "a.b"]
TREE = [
    *NAMES,
    *(f"d/{name}" for name in NAMES),
    *(f"ab/a/{name}" for name in ("a", "b", "ab", "é", "!a")),
    *(f"d/a/b/{name}" for name in ("a", "b", "d")),
    "d/d/d/a",
    "aa/d/b",
    "x/y\nz",
]
TREE = [path for path in TREE if not any(other.startswith(path + "/") for other in TREE)]
PIECES = [
    "a",
    "b",
    "d",
    "ab",
    "*",
    "**",
    "***",
    "?",
    "/",
    "/**/",
    "**/",
    "/**",
    "[ab]",
    "[!a]",
    "[^b]",
    "[a-b]",
    "[]a]",
]
PIECES += [
    "[!]a]",
    "[a",
    "[[:alpha:]]",
    "[[:foo:]]",
    "[[:punct:]]",
    "[b-]",
    "[\\]]",
    "[/]",
    "[[]",
    "[]-a]",
    "\\",
    "\\*",
]
PIECES += [
    "\\a",
    "\\/",
    "\\#",
    "\\!",
    "\\ ",
    " ",
    "!",
    "#",
    "é",
    "-",
    ".",
    "\t",
    "\r",
    "]",
    "[[:a]",
    "[a-",
    "[!é]",
    "[",
]
LINES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join)
TRAPS = [
    "a/*\n!a/b",
    "**/a\n!/d/**/a",
    "foo**/bar\nab**/a",
    "#a\n\\#a\n!a\n\\!a",
    "a\\ \na b  \na\\  ",
    "d/\n!d/a",
    "/*\n!/d",
    "*\n!*/\n!*.b",
    "d/a/\nd/a\n/a",
    "/\n//\n!\n!/\n\\\n[\n**\\/a",
    "\ufeffb\r\na\r\n",
    "d//a\n./a\nd/../a",
    "*[[:upper:]]\n[[:digit:]\n[\\",
    "a\0b",
]


@needs_git
@settings(max_examples=150)
@given(st.lists(LINES, max_size=4).map("\n".join), st.lists(LINES, max_size=3).map("\n".join))
def test_ignore_files_mean_what_they_mean_to_git(repository: Path, rules: str, deeper: str) -> None:
    (repository / ".gitignore").write_bytes(rules.encode())
    (repository / "d/.gitignore").write_bytes(deeper.encode())
    assert found(repository) == listed(repository), (rules, deeper)


for trap in TRAPS:
    test_ignore_files_mean_what_they_mean_to_git = example(trap, "")(test_ignore_files_mean_what_they_mean_to_git)
    test_ignore_files_mean_what_they_mean_to_git = example("", trap)(test_ignore_files_mean_what_they_mean_to_git)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write(tmp_path_factory.mktemp("repository"), dict.fromkeys(TREE, ""))
    git(root, "init", "-q")
    return root


@needs_git
def test_rules_from_around_the_root_hold_as_in_git(tmp_path: Path, home: Path) -> None:
    top = write(
        tmp_path / "top",
        {
            ".gitignore": "*.log\n/sub/deep/anchored\nsub/deep/*.out\n",
            "sub/.gitignore": "local\n!kept.log\n",
            "sub/deep/.gitignore": "!back.tmp\n",
            **dict.fromkeys(("a.log", "a.tmp", "b.py", "sub/kept.log", "sub/x.out"), ""),
            **dict.fromkeys((f"sub/deep/{name}" for name in ("kept.log", "a.out", "anchored", "local", "c.py")), ""),
            **dict.fromkeys((f"sub/deep/{name}" for name in ("back.tmp", "b.tmp", "d.secret", "e.user")), ""),
        },
    )
    git(top, "init", "-q")
    (top / ".git/info/exclude").write_text("*.tmp\nd.secret\n!e.user\n")
    write(home, {".config/git/ignore": "*.user\nb.py\n"})
    assert found(top) == listed(top)
    assert found(top / "sub/deep") == listed(top / "sub/deep") == ["back.tmp", "c.py", "e.user", "kept.log"]
    write(home, {".gitconfig": '[user]\nname = x\n[Core]\n\teditor = vi\n\texcludesFile = "~/other rules"\n'})
    write(home, {"other rules": "c.py\n"})
    assert found(top) == listed(top)
    assert "sub/deep/c.py" not in listed(top) and "b.py" in listed(top)


@needs_git
def test_a_linked_worktree_has_the_excludes_of_its_repository(tmp_path: Path) -> None:
    main = write(tmp_path / "main", {"a.py": ""})
    git(main, "init", "-q")
    git(main, "add", ".")
    git(main, "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "-m", "x")
    git(main, "worktree", "add", "-q", str(tmp_path / "tree"))
    (main / ".git/info/exclude").write_text("private.py\n")
    tree = write(tmp_path / "tree", {"private.py": "", "b.py": ""})
    assert found(tree) == listed(tree) == ["a.py", "b.py"]


def test_a_root_that_its_repository_ignores_still_has_its_files(tmp_path: Path) -> None:
    write(tmp_path, {".git/HEAD": "", ".gitignore": "runs/**\n*.log\n", "runs/x/a.py": "", "runs/x/b.log": ""})
    assert found(tmp_path / "runs/x") == ["a.py", "b.log"]
    assert found(tmp_path) == []


def test_a_nested_repository_belongs_unless_ignored(tmp_path: Path) -> None:
    files: Files = {
        ".git/HEAD": "",
        ".gitignore": "other/\n",
        "module/.git": "gitdir: ../.git/modules/module\n",
        "module/a.py": "",
        "other/.git/HEAD": "",
        "other/b.py": "",
    }
    assert found(tmp_path, files) == ["module/a.py"]


def test_a_folder_without_git_has_its_ignore_files(tmp_path: Path) -> None:
    files: Files = {
        ".gitignore": "*.log\n/build/\n# comment\n\ntemp/\n",
        "src/x.log": "",
        "src/.gitignore": "!x.log\n/anchored.py\n",
        **dict.fromkeys(("keep.py", "build/out.py", "src/build/kept.py", "src/temp/a.py", "src/anchored.py"), ""),
        "src/deep/anchored.py": "",
    }
    assert found(tmp_path, files) == ["keep.py", "src/build/kept.py", "src/deep/anchored.py", "src/x.log"]


def test_midspanignore_comes_before_every_gitignore(tmp_path: Path) -> None:
    files: Files = {
        ".gitignore": "gen.py\n",
        ".midspanignore": "!gen.py\nsecret/\n*.csv\n",
        "deep/.gitignore": "!data.csv\n",
        "more/.midspanignore": "!data.csv\n",
        **dict.fromkeys(("gen.py", "secret/a.py", "b.py", "deep/data.csv", "more/data.csv"), ""),
    }
    assert found(tmp_path, files) == ["b.py", "gen.py", "more/data.csv"]


def test_hidden_and_tool_folders_never_belong(tmp_path: Path) -> None:
    hidden = [".git/config", ".venv/a.py", ".env", "node_modules/a.js", "__pycache__/a.py", "x/node_modules/b.js"]
    assert found(tmp_path, dict.fromkeys([*hidden, "node_modules.py", "y/venv"], "")) == ["node_modules.py", "y/venv"]


def test_hostile_patterns_cost_no_time() -> None:
    rules = parse(b"*a*a*a*a*a*a*a*a*a*a*a*a*b\n**/a*/**/a*/**/a*/**/a*/**/a*/**/a*/**/a*/**/b\n" + b"(" * 5000)
    assert rules is not None
    started = time.process_time()
    for name in (b"a" * 250, b"a/" * 120 + b"a"):
        assert rules.decide(name, name.rpartition(b"/")[2], False) is None
    assert rules.decide(b"a/" * 120 + b"b", b"b", False) is True
    assert time.process_time() - started < 1


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_no_ignore_file_breaks_the_walk(content: bytes) -> None:
    rules = parse(content)
    if rules is not None:
        rules.decide(b"a/b", b"b", False)


def test_links_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "outside", {"secret.py": "secret", "folder/more.py": "more"})
    root = write(tmp_path / "root", {"a.py": "a", "d/b.py": ""})
    (root / "file.py").symlink_to(tmp_path / "outside/secret.py")
    (root / "folder").symlink_to(tmp_path / "outside/folder", target_is_directory=True)
    (root / "d/loop").symlink_to(root, target_is_directory=True)
    (root / "self").symlink_to(root / "self")
    (root / "dangling.py").symlink_to(root / "nowhere.py")
    (root / ".gitignore").symlink_to(tmp_path / "outside/secret.py")
    tree = walk(root)
    assert list(tree.files) == ["a.py", "d/b.py"]
    assert tree.skipped == dict.fromkeys(("file.py", "folder", "d/loop", "self", "dangling.py"), "link")
    assert look(root, "file.py") == look(root, "folder") == look(root, "self") == "link"
    for path in ("folder/more.py", "d/loop/a.py", "../outside/secret.py", "d/../a.py", "/a.py", "d//b.py", "", "x\0y"):
        assert look(root, path) is Absent.NOTHING, path
    assert look(root, "d") is Absent.FOLDER


def test_a_linked_ignore_file_has_no_effect(tmp_path: Path) -> None:
    write(tmp_path, {"rules": "*.py\n", "root/a.py": "", "root/d/b.py": ""})
    (tmp_path / "root/.gitignore").symlink_to(tmp_path / "rules")
    os.mkfifo(tmp_path / "root/d/.gitignore")
    assert found(tmp_path / "root") == ["a.py", "d/b.py"]


def test_special_files_are_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert walk(tmp_path).files == walk(tmp_path).skipped == {}
    assert look(tmp_path, "pipe") is Absent.NOTHING


def test_names_that_are_no_text_are_skipped(tmp_path: Path) -> None:
    root = os.fsencode(write(tmp_path, {"é.py": "", "new\nline": "", "-rf": "", "'; DROP TABLE files": "", "🙂/a": ""}))
    Path(os.fsdecode(root + b"/\xff.py")).write_text("x")
    Path(os.fsdecode(root + b"/\xfe")).mkdir()
    Path(os.fsdecode(root + b"/\xfe/a.py")).write_text("x")
    tree = walk(tmp_path)
    assert sorted(tree.files) == ["'; DROP TABLE files", "-rf", "new\nline", "é.py", "🙂/a"]
    assert tree.skipped == {"\\xff.py": "not UTF-8", "\\xfe": "not UTF-8"}
    assert look(tmp_path, os.fsdecode(b"\xff.py")) is Absent.NOTHING


def test_large_files_are_skipped_by_their_size(tmp_path: Path) -> None:
    write(tmp_path, {"exact": "x" * 100, "larger": "x" * 101, "empty": ""})
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    tree = walk(tmp_path, max_bytes=100)
    assert sorted(tree.files) == ["empty", "exact"]
    assert tree.skipped == {"larger": "too large", "sparse": "too large"}
    assert look(tmp_path, "sparse", max_bytes=100) == "too large"


def test_of_too_many_files_those_nearest_the_root_stay(tmp_path: Path) -> None:
    root = write(tmp_path, dict.fromkeys(("a/b/c.py", "a/z.py", "b/y.py", "z.py", "y/x.py"), ""))
    tree = walk(root, max_files=3)
    assert list(tree.files) == ["z.py", "a/z.py", "b/y.py"]
    assert tree.beyond == 2


def test_of_too_many_bytes_those_nearest_the_root_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midspan.context.walk.MAX_TOTAL_BYTES", 10)
    root = write(tmp_path, {"a.py": "x" * 6, "b.py": "x" * 6, "d/c.py": "x" * 4, "d/e.py": "x"})
    tree = walk(root)
    assert list(tree.files) == ["a.py", "d/c.py"]
    assert tree.beyond == 2


@pytest.mark.parametrize("name", ["missing", "file.py"])
def test_a_root_that_is_no_directory_is_an_error(tmp_path: Path, name: str) -> None:
    write(tmp_path, {"file.py": ""})
    with pytest.raises(MidspanError, match=name):
        walk(tmp_path / name)
