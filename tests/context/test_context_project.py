import os
import weakref
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.context.lines import blocks, split_lines
from midspan.context.memory import Memory
from midspan.context.project import File, Project, directory_steps
from midspan.errors import MidspanError


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def read(root: Path, files: dict[str, str | bytes]) -> list[str]:
    return list(Project.read(write(root, files)).files)


def test_files_are_sorted_by_path_and_named_from_the_root(tmp_path: Path) -> None:
    project = Project.read(write(tmp_path / "shop", {"b/z.py": "z", "b.py": "b", "a/y.py": "y\r\n"}))
    assert project.name == "shop"
    assert list(project.files) == ["a/y.py", "b.py", "b/z.py"]
    assert project.files["a/y.py"] == File("a/y.py", "y\r\n")


def test_a_project_no_longer_used_leaves_the_memory_at_once() -> None:
    project = Project.of("shop", [File("a.py", "a"), File("b/c.py", "c")])
    assert [file.path for file in project.by_distance("b")] == ["b/c.py", "a.py"]
    watched = weakref.ref(project)
    del project
    assert watched() is None


def test_ignore_files_of_every_directory_hold_below_them(tmp_path: Path) -> None:
    files = {
        ".gitignore": "*.log\n/build/\n# comment\n\ntemp/\n",
        "keep.py": "",
        "build/out.py": "",
        "src/build/kept.py": "",
        "src/x.log": "",
        "src/temp/a.py": "",
        "src/.gitignore": "!x.log\nlocal.py\n/anchored.py\n",
        "src/anchored.py": "",
        "src/deep/anchored.py": "",
        "src/local.py": "",
        "src/deep/local.py": "",
        "local.py": "",
    }
    assert read(tmp_path, files) == [
        "keep.py",
        "local.py",
        "src/build/kept.py",
        "src/deep/anchored.py",
        "src/x.log",
    ]


def test_a_file_below_an_ignored_folder_cannot_be_brought_back(tmp_path: Path) -> None:
    files = {".gitignore": "out/\n!out/a.py\n", "out/a.py": "", "out/.gitignore": "!a.py\n", "b.py": ""}
    assert read(tmp_path, files) == ["b.py"]


def test_a_pattern_over_the_content_of_a_folder_leaves_exceptions(tmp_path: Path) -> None:
    files = {".gitignore": "out/*\n!out/a.py\n", "out/a.py": "", "out/b.py": ""}
    assert read(tmp_path, files) == ["out/a.py"]


def test_midspanignore_comes_after_gitignore(tmp_path: Path) -> None:
    files = {
        ".gitignore": "gen.py\n",
        ".midspanignore": "!gen.py\nsecret/\n",
        "gen.py": "",
        "secret/a.py": "",
        "b.py": "",
    }
    assert read(tmp_path, files) == ["b.py", "gen.py"]


def test_patterns_that_mean_nothing_are_passed_over(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {".gitignore": b"!\n\\\n[z-a]\n\xff\xfe\na.py\n", "a.py": "", "b.py": ""}
    assert read(tmp_path, files) == ["b.py"]


def test_hidden_and_tool_folders_never_belong(tmp_path: Path) -> None:
    hidden = [".git/config", ".venv/a.py", ".env", "node_modules/a.js", "__pycache__/a.py", "x/node_modules/b.js"]
    assert read(tmp_path, dict.fromkeys([*hidden, "node_modules.py"], "")) == ["node_modules.py"]


def test_what_cannot_be_context_is_skipped_and_counted(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "image.png": b"\x89PNG\0\0",
        "latin.py": "é".encode("latin-1"),
        "large.py": "x" * 101,
        "exact.py": "x" * 100,
        "empty.py": "",
    }
    project = Project.read(write(tmp_path, files), max_bytes=100)
    assert list(project.files) == ["empty.py", "exact.py"]
    assert project.skipped == {"binary": 1, "not UTF-8": 1, "too large": 1}


def test_a_name_that_is_no_text_is_skipped(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.py")).write_text("x")
    project = Project.read(write(tmp_path, {"é.py": ""}))
    assert list(project.files) == ["é.py"]
    assert project.skipped == {"not UTF-8": 1}


def test_links_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "outside", {"secret.py": "secret", "folder/more.py": "more"})
    root = write(tmp_path / "root", {"a.py": "a"})
    (root / "file.py").symlink_to(tmp_path / "outside/secret.py")
    (root / "folder").symlink_to(tmp_path / "outside/folder", target_is_directory=True)
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "dangling.py").symlink_to(root / "nowhere.py")
    (root / ".gitignore").symlink_to(tmp_path / "outside/secret.py")
    project = Project.read(root)
    assert list(project.files) == ["a.py"]
    assert project.skipped == {"link": 4}


def test_a_linked_ignore_file_has_no_effect(tmp_path: Path) -> None:
    write(tmp_path, {"rules": "*.py\n", "root/a.py": ""})
    (tmp_path / "root/.gitignore").symlink_to(tmp_path / "rules")
    assert list(Project.read(tmp_path / "root").files) == ["a.py"]


def test_special_files_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not Project.read(write(tmp_path, {})).files


@pytest.mark.parametrize("name", ["missing", "file.py"])
def test_a_root_that_is_no_directory_is_an_error(tmp_path: Path, name: str) -> None:
    write(tmp_path, {"file.py": ""})
    with pytest.raises(MidspanError, match=name):
        Project.read(tmp_path / name)


def test_replace_gives_a_new_project_and_leaves_the_old_one() -> None:
    old = Project.of("p", [File("b.py", "b"), File("a.py", "a")])
    new = old.replace("b.py", None).replace("a.py", "A").replace("0.py", "0")
    assert {path: file.text for path, file in new.files.items()} == {"0.py": "0", "a.py": "A"}
    assert list(new.files) == ["0.py", "a.py"]
    assert {path: file.text for path, file in old.files.items()} == {"a.py": "a", "b.py": "b"}


@pytest.mark.parametrize(
    ("one", "other", "steps"),
    [("", "", 0), ("", "a", 1), ("a/b", "a", 1), ("a/b", "a/c", 2), ("a/b", "ab/b", 4), ("a/b/c", "", 3)],
)
def test_directory_steps(one: str, other: str, steps: int) -> None:
    assert directory_steps(one, other) == directory_steps(other, one) == steps


def test_memory_forgets_the_least_recently_used_and_stays_within_bounds() -> None:
    memory = Memory(max_bytes=10)
    computed: list[str] = []

    def value(key: str) -> str:
        def compute() -> str:
            computed.append(key)
            return key

        return memory.recall(key, compute, lambda _: 4)

    for key in "abacab":
        assert value(key) == key
        assert memory.bytes <= 10
    assert computed == ["a", "b", "c", "b"]


@given(st.text(alphabet="a\n\r\x0c\u2028 "), st.integers(1, 4))
def test_lines_and_blocks_join_to_the_text(text: str, size: int) -> None:
    lines = split_lines(text)
    assert "".join(lines) == text == "".join(blocks(lines, size))
    assert all(line.index("\n") == len(line) - 1 for line in lines[:-1])
    assert len(lines) == text.count("\n") + (not text.endswith("\n") and text != "")
