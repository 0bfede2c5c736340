from itertools import pairwise

import pytest
from context_samples import WordEncoder

from midspan.context.caret import Spot
from midspan.context.project import Chunk, File, Project
from midspan.context.similarity import WINDOW_LINES
from midspan.context.strategies import rank

ALL = ["iou", "path_distance", "rag", "coverage"]

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
    settings: dict[str, object] = {"encoder": WordEncoder(), "token_budget": 1000} | options
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
    chunks = ranked("rag", CART * 2, edited=(Spot("tests/test_cart.py", 1), Spot("gone.py", 3)))
    [edited] = [chunk for chunk in chunks if chunk.path == "tests/test_cart.py"]
    assert edited.reason.endswith("recently edited")


@pytest.mark.parametrize("strategy", ALL)
def test_the_current_file_is_never_context(strategy: str) -> None:
    text = FILES["shop/cart.py"]
    chunks = ranked(strategy, text[:20], text[30:], path="shop/cart.py", recent=("shop/cart.py",))
    assert chunks and "shop/cart.py" not in paths(chunks)


@pytest.mark.parametrize("strategy", ALL)
def test_only_as_much_as_the_budget_needs(strategy: str) -> None:
    everything = ranked(strategy, CART * 2)
    few = ranked(strategy, CART * 2, token_budget=15)
    assert 0 < len(few) < len(everything)
    assert few == everything[: len(few)]
    assert ranked(strategy, CART * 2, token_budget=0) == []


@pytest.mark.parametrize("strategy", ALL)
def test_typing_on_the_carets_line_changes_nothing(strategy: str) -> None:
    typed = "class User: name = Money"
    before = ranked(strategy, CART * 3, "rest\n" + CART)
    for end in range(len(typed) + 1):
        assert ranked(strategy, CART * 3 + typed[:end], "rest\n" + CART) == before


@pytest.mark.parametrize("strategy", ALL)
def test_same_question_same_answer(strategy: str) -> None:
    again = Project.of("shop", reversed(list(PROJECT.files.values())))
    assert ranked(strategy, CART, CART) == ranked(strategy, CART, CART) == ranked(strategy, CART, CART, project=again)


@pytest.mark.parametrize("strategy", ALL)
def test_an_edited_file_is_seen(strategy: str) -> None:
    ranked(strategy, CART * 2)
    edited = PROJECT.replace("shop/user.py", CART + "edited = 1\n")
    chunks = ranked(strategy, CART * 2, project=edited)
    assert any(chunk.path == "shop/user.py" and "edited" in chunk.text for chunk in chunks)


def test_files_seen_before_are_not_encoded_again() -> None:
    encoder = WordEncoder()
    project = Project.of("shop", PROJECT.files.values())
    ranked("rag", CART * 2, project=project, encoder=encoder)
    encoder.encoded.clear()
    ranked("rag", CART * 4, project=project.replace("shop/user.py", "user = 1\n"), encoder=encoder)
    assert len(encoder.encoded) == 2  # the query and the edited file


@pytest.mark.parametrize("strategy", ["none", *ALL])
@pytest.mark.parametrize("files", [[], [File("a.py", "")], [File("a.py", "x" * 5000)]])
def test_poor_projects(strategy: str, files: list[File]) -> None:
    assert len(ranked(strategy, "", project=Project.of("p", files))) <= 1
