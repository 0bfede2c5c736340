"""What a workspace folder remembers of the user's edits, and which project it shows."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from midspan.context.caret import Spot
from midspan.context.sets import Feature
from midspan.context.similarity import WORDS
from midspan.serve.folder import MAX_EDITED, MAX_RECENT, Folder, first_difference


async def words() -> list[Feature]:
    return [WORDS]


@given(st.text("ab\n"), st.text("ab\n"), st.text("ab\n"))
def test_first_difference(common: str, one: str, other: str) -> None:
    one, other = common + one, common + other
    expected = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    assert first_difference(one, other) == (min(len(one), len(other)) if expected is None else expected)


def with_folder(root: Path, use: Callable[[Folder], Awaitable[None]]) -> None:
    async def run() -> None:
        folder = Folder(root, words)
        await use(folder)
        await folder.close()

    asyncio.run(run())


def test_places_edited_last_come_first_and_near_ones_are_one(tmp_path: Path) -> None:
    lines = [f"{number}\n" for number in range(400)]

    async def use(folder: Folder) -> None:
        text = "".join(lines)
        folder.edit("a.py", text, text)
        assert folder.edited == []
        for line in range(0, 400, 10):
            folder.edit("a.py", text, "".join([*lines[:line], "new\n", *lines[line + 1 :]]))
        assert folder.edited == [Spot("a.py", line) for line in range(390, 390 - 10 * MAX_EDITED, -10)]
        folder.edit("a.py", text, "".join([*lines[:385], "new\n", *lines[386:]]))
        assert folder.edited[:2] == [Spot("a.py", 385), Spot("a.py", 370)]
        folder.edit("b.py", "", "x")
        folder.edit("a.py", text, "".join(lines[300:]))
        assert folder.edited[:2] == [Spot("a.py", 0), Spot("b.py", 0)]
        assert all(spot.line >= 0 for spot in folder.edited)
        for number in range(40):
            folder.touch(f"{number}.py")
        folder.touch("30.py")
        assert folder.recent[:2] == ["30.py", "39.py"] and len(folder.recent) == MAX_RECENT

    with_folder(tmp_path, use)


def test_the_project_is_the_same_object_until_something_changes(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a")
    (tmp_path / "b.py").write_text("b")

    async def use(folder: Folder) -> None:
        first = await folder.project({"a.py": "typing", "b.py": "b", "new.py": "not on disk"}, "a.py")
        assert first is not None and first.files["a.py"].text == "a" and "new.py" not in first.files
        assert await folder.project({"a.py": "typing on", "b.py": "b"}, "a.py") is first
        unsaved = await folder.project({"a.py": "typing on", "b.py": "unsaved"}, "a.py")
        assert unsaved is not None and unsaved.files["b.py"].text == "unsaved"
        assert await folder.project({"a.py": "typing on", "b.py": "unsaved"}, "a.py") is unsaved
        folder.forget("b.py")
        closed = await folder.project({"a.py": "typing on"}, "a.py")
        assert closed is not None and closed.files["b.py"].text == "b"
        folder.look_again()
        assert await folder.project({}, "a.py") is closed

    with_folder(tmp_path, use)


def test_a_folder_that_is_gone_has_no_project(tmp_path: Path, capsys) -> None:
    async def use(folder: Folder) -> None:
        folder.look_again(["a.py"])
        assert await folder.project({}, "a.py") is None

    with_folder(tmp_path / "gone", use)
    assert "no such directory" in capsys.readouterr().err


def test_without_a_watching_editor_changes_are_found_in_time(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("midspan.serve.folder.POLL_SECONDS", 0.0)

    async def use(folder: Folder) -> None:
        project = await folder.project({}, "a.py")
        assert project is not None and not project.files
        (tmp_path / "b.py").write_text("b")
        for _ in range(50):
            project = await folder.project({}, "a.py")
            assert project is not None
            if "b.py" in project.files:
                return
        raise AssertionError("never seen")

    with_folder(tmp_path, use)
