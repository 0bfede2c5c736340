import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.context.layout import directory_steps
from midspan.context.lines import blocks, split_lines
from midspan.context.memory import Memory
from midspan.context.project import File, Project


def test_a_project_no_longer_used_leaves_the_memory_at_once() -> None:
    project = Project.of("shop", [File("a.py", "a"), File("b/c.py", "c")])
    assert [path for _, path in project.layout.outwards("b")] == ["b/c.py", "a.py"]
    watched = weakref.ref(project)
    del project
    assert watched() is None


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
