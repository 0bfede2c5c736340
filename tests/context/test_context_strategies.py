import re
import zlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.context.project import Chunk, File, Project
from midspan.context.similarity import iou, line_set, window_iou
from midspan.context.strategies import QUERY_STEP, query_lines, rank
from midspan.context.windows import WINDOW_LINES, WINDOW_STEP, file_windows


def encode(text: str) -> list[int]:
    """Words and signs as tokens: enough of a tokenizer for ranking."""
    return [zlib.crc32(word.encode()) % 10_000 for word in re.findall(r"\w+|[^\w\s]|\n", text)]


CART = "def total(items):\n    return sum(item.price for item in items)\n"
FILES = {
    "README.md": "# Shop\n",
    "shop/cart.py": "import money\n" + CART,
    "shop/money.py": "import money\nclass Money:\n    pass\n",
    "shop/api/http.py": "def serve(port):\n    pass\n",
    "shop/api/json.py": "",
    "shop/user.py": "class User:\n    name = ''\n",
    "tests/test_cart.py": "from shop.cart import total\n" + CART,
    "zoo/far/away/animal.py": "class Animal:\n    pass\n",
}
PROJECT = Project.of("shop", [File(path, text) for path, text in FILES.items()])


def ranked(strategy: str, prefix: str, suffix: str = "", path: str = "shop/order.py", **options: object) -> list[Chunk]:
    settings: dict[str, object] = {"encode": encode, "token_budget": 1000} | options
    project = settings.pop("project", PROJECT)
    return rank(project, path, prefix, suffix, strategy, **settings)  # type: ignore[arg-type]


def paths(chunks: list[Chunk]) -> list[str]:
    return [chunk.path for chunk in chunks]


def test_none_gives_nothing() -> None:
    assert ranked("none", CART) == []


def test_iou_ranks_the_files_of_the_directory_by_shared_lines() -> None:
    chunks = ranked("iou", "import money\n" + CART + "\nx", "y\nclass User:\n")
    assert paths(chunks) == ["shop/cart.py", "shop/user.py", "shop/money.py"]
    assert chunks[0] == Chunk("shop/cart.py", FILES["shop/cart.py"], 0, 3 / 4, "same directory, 75% of lines shared")
    assert [chunk.score for chunk in chunks[1:]] == [1 / 5, 1 / 6]


def test_equal_scores_are_ordered_by_path() -> None:
    assert paths(ranked("iou", "")) == ["shop/cart.py", "shop/money.py", "shop/user.py"]


@pytest.mark.parametrize("strategy", ["iou", "path_distance", "rag"])
def test_many_equal_scores_are_ordered_by_path(strategy: str) -> None:
    files = [File(f"shop/{number:03}.py", CART + "extra = 1\n" * (number * 7 % 3 > 0)) for number in range(300)]
    chunks = ranked(strategy, CART * 2, project=Project.of("p", files), token_budget=100_000)
    assert len(chunks) == len(files)
    assert chunks == sorted(chunks, key=lambda chunk: (-chunk.score, chunk.path))


def test_path_distance_goes_outwards_breadth_first() -> None:
    expected = ["shop/cart.py", "shop/money.py", "shop/user.py", "README.md", "shop/api/http.py", "tests/test_cart.py"]
    chunks = ranked("path_distance", "")
    assert paths(chunks) == [*expected, "zoo/far/away/animal.py"]
    assert [chunk.reason for chunk in chunks[2:6]] == [
        "same directory",
        "1 directory step away",
        "1 directory step away",
        "2 directory steps away",
    ]


def test_rag_finds_the_most_similar_window_wherever_it_is() -> None:
    filler = "".join(f"filler_{number} = {number}\n" for number in range(35))
    far = File("zoo/far/away/animal.py", filler + CART + filler)
    project = Project.of("shop", [*PROJECT.files.values(), far])
    chunks = ranked("rag", CART * 2, project=project, path="zoo/x.py")
    assert paths(chunks)[:2] == ["shop/cart.py", "tests/test_cart.py"]
    window = next(chunk for chunk in chunks if chunk.path == far.path)
    assert window.first_line in (20, 30)
    assert CART in window.text
    assert window.text == "".join(far.text.splitlines(keepends=True)[window.first_line :][:WINDOW_LINES])
    assert [chunk.score for chunk in chunks] == sorted((chunk.score for chunk in chunks), reverse=True)


def test_rag_windows_of_one_file_do_not_overlap() -> None:
    project = Project.of("p", [File("a.py", CART * 60)])
    chunks = ranked("rag", CART * 6, project=project)
    starts = sorted(chunk.first_line for chunk in chunks)
    assert len(starts) > 3
    assert all(later - earlier >= WINDOW_LINES for earlier, later in pairwise(starts))


def test_recent_files_join_the_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midspan.context.strategies.MAX_CANDIDATES", 2)
    assert "tests/test_cart.py" not in paths(ranked("rag", CART * 2))
    chunks = ranked("rag", CART * 2, recent=("tests/test_cart.py", "gone.py"))
    [recent] = [chunk for chunk in chunks if chunk.path == "tests/test_cart.py"]
    assert recent.reason.endswith("recently opened")


@pytest.mark.parametrize("strategy", ["iou", "path_distance", "rag"])
def test_the_current_file_is_never_context(strategy: str) -> None:
    text = FILES["shop/cart.py"]
    chunks = ranked(strategy, text[:20], text[30:], path="shop/cart.py", recent=("shop/cart.py",))
    assert chunks and "shop/cart.py" not in paths(chunks)


@pytest.mark.parametrize("strategy", ["iou", "path_distance", "rag"])
def test_only_as_much_as_the_budget_needs(strategy: str) -> None:
    everything = ranked(strategy, CART * 2)
    few = ranked(strategy, CART * 2, token_budget=15)
    assert 0 < len(few) < len(everything)
    assert few == everything[: len(few)]
    assert ranked(strategy, CART * 2, token_budget=0) == []


@pytest.mark.parametrize("strategy", ["iou", "path_distance", "rag"])
def test_typing_on_the_carets_line_changes_nothing(strategy: str) -> None:
    typed = "class User: name = Money"
    before = ranked(strategy, CART * 3, "rest\n" + CART)
    for end in range(len(typed) + 1):
        assert ranked(strategy, CART * 3 + typed[:end], "rest\n" + CART) == before


@pytest.mark.parametrize("strategy", ["iou", "path_distance", "rag"])
def test_same_question_same_answer(strategy: str) -> None:
    again = Project.of("shop", reversed(list(PROJECT.files.values())))
    assert ranked(strategy, CART, CART) == ranked(strategy, CART, CART) == ranked(strategy, CART, CART, project=again)


@pytest.mark.parametrize("strategy", ["iou", "path_distance", "rag"])
def test_an_edited_file_is_seen(strategy: str) -> None:
    ranked(strategy, CART * 2)
    edited = PROJECT.replace("shop/user.py", CART + "edited = 1\n")
    chunks = ranked(strategy, CART * 2, project=edited)
    assert any(chunk.path == "shop/user.py" and "edited" in chunk.text for chunk in chunks)


def test_files_seen_before_are_not_encoded_again() -> None:
    encoded: list[str] = []

    def counting(text: str) -> list[int]:
        encoded.append(text)
        return encode(text)

    project = Project.of("shop", PROJECT.files.values())
    ranked("rag", CART * 2, project=project, encode=counting)
    encoded.clear()
    ranked("rag", CART * 4, project=project.replace("shop/user.py", "user = 1\n"), encode=counting)
    assert len(encoded) == 2  # the query and the edited file


@pytest.mark.parametrize("strategy", ["none", "iou", "path_distance", "rag"])
@pytest.mark.parametrize("files", [[], [File("a.py", "")], [File("a.py", "x" * 5000)]])
def test_poor_projects(strategy: str, files: list[File]) -> None:
    assert len(ranked(strategy, "", project=Project.of("p", files))) <= 1


@given(st.sets(st.text(max_size=2)), st.sets(st.text(max_size=2)))
def test_iou_is_symmetric_and_a_share(one: set[str], other: set[str]) -> None:
    assert iou(one, other) == iou(other, one)
    assert 0 <= iou(one, other) <= 1
    assert iou(one, one) == bool(one)
    assert (iou(one, other) == 1) == (one == other and bool(one))


def test_line_set_leaves_blanks_out() -> None:
    assert line_set(["  a\n", "a", "\n", "   ", "b \r\n"]) == {"a", "b"}


@given(st.lists(st.sets(st.integers(0, 40), min_size=1)), st.sets(st.integers(0, 50)))
def test_window_iou_equals_iou_of_sets(windows: list[set[int]], query: set[int]) -> None:
    flat = np.array([token for window in windows for token in sorted(window)], dtype=np.int32)
    sizes = np.array([len(window) for window in windows], dtype=np.int64)
    scores = window_iou(np.array(sorted(query), dtype=np.int32), flat, sizes)
    assert list(scores) == [iou(query, window) for window in windows]


@given(st.integers(0, 100))
def test_windows_cover_every_line_and_overlap_by_one_step(lines: int) -> None:
    text = "".join(f"line{number}\n" for number in range(lines))
    windows = file_windows(File("a.py", text), encode)
    assert list(windows.first_line) == list(range(0, max(lines - WINDOW_STEP, min(lines, 1)), WINDOW_STEP))
    ends = np.cumsum(windows.sizes)
    for first, size, end in zip(windows.first_line, windows.sizes, ends, strict=True):
        expected = encode("".join(text.splitlines(keepends=True)[first : first + WINDOW_LINES]))
        assert list(windows.tokens[end - size : end]) == sorted(set(expected))


def test_query_window_moves_in_steps() -> None:
    lines = [f"{number}\n" for number in range(40)]
    windows = [query_lines(lines[:caret], lines[caret + 1 :]) for caret in range(len(lines))]
    changes = sum(one != other for one, other in pairwise(windows[QUERY_STEP:]))
    assert changes <= 2 * len(lines) / QUERY_STEP
    for caret, window in enumerate(windows):
        assert lines[caret] not in window
        assert len(window) <= WINDOW_LINES
    assert query_lines(["a\n"], ["b\n"]) == ["a\n", "b\n"]
