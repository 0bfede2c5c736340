import pytest

from midspan.evaluate.validity import NEAR, validity
from midspan.syntax.broken import is_broken
from midspan.syntax.languages import LANGUAGES

FUNCTION = "def f{0}(values):\n    total = 0\n    for value in values:\n        total += value\n    return total\n\n\n"
FILE = "".join(FUNCTION.format(number) for number in range(200))


@pytest.mark.parametrize(
    ("suggestion", "valid"),
    [("total += value", 1), ("total += (value", 0), ("total.add(value)\n        print(total)", 1), ("else ::", 0)],
)
def test_the_unit_around_the_caret_says_what_the_file_says(suggestion, valid):
    caret = FILE.index("total += value", len(FILE) // 2)
    prefix, suffix = FILE[:caret], FILE[caret + len("total += value") :]
    assert validity("python", prefix, suggestion, suffix) == valid
    assert is_broken(prefix, suggestion, suffix, LANGUAGES["python"]) == (not valid)


def test_what_seems_broken_near_the_caret_is_asked_of_more_lines():
    """The brackets around the caret open and close farther away than is looked at first."""
    items = "    1,\n" * (NEAR // 5)
    assert validity("python", f"x = [\n{items}    ", "2,\n    3,", f"\n{items}]\n") == 1
    assert validity("python", f"x = [\n{items}    ", "2]", f"\n{items}]\n") == 0


def test_nothing_is_said_where_nothing_can_be_said():
    assert validity("python", "x = ", " \n", "") is None
    assert validity("no such language", "x = ", "1", "") is None
